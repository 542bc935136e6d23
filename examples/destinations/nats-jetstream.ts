import type { CreateDestination, Finding, Outcome } from '@auditbox/destination-kit/destination.ts';
import { JetStreamApiError, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';

/*
 * Publishes each event to a stream of NATS JetStream. Needs the packages @nats-io/jetstream and @nats-io/transport-node.
 *
 *   { "name": "nats", "type": "module", "module": "./nats-jetstream.ts",
 *     "options": { "servers": "tls://nats.example:4222", "subject": "audit.events", "token": "${NATS_TOKEN}" } }
 *
 * A server on another host must encrypt: nothing is sent to one that does not, whatever the URL says. Its certificate is checked,
 * with the option `ca` against the authorities in that file.
 *
 * The id of the event is its Nats-Msg-Id. So the stream drops an event that comes again within its duplicate_window, which
 * is two minutes unless you set it. Set it longer than an outage that you expect.
 */

interface Options {
  readonly servers: string;
  readonly subject: string;
  readonly token?: string;
  /** The path of a file in PEM. */
  readonly ca?: string;
}

/** NATS accepts 1 MB unless it is configured otherwise, and the headers count. */
const maxRowBytes = 1_000_000;

/** No such stream, or no right to publish: a person must act. */
const blockedCodes = new Set([400, 401, 403, 404]);

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

const create: CreateDestination = (given) => {
  const { servers, subject, token, ca } = given as Options;
  if (!servers || !subject) throw new Error('The options servers and subject are required.');
  // The client reads the host and the port alone, so tls:// does not mean TLS to it.
  const address = `http://${servers.replace(/^\w+:\/\//, '')}`;
  if (!URL.canParse(address)) throw new Error('The option servers must be the address of a server.');
  const { hostname } = new URL(address);
  // Without `host` the client compares the certificate of an IP address with "localhost".
  const tls = { host: hostname.replace(/^\[|\]$/g, ''), ...(ca && { caFile: ca }) };
  const encryption = loopback.test(hostname) && !ca ? {} : { tls };
  let connecting: Promise<NatsConnection> | null = null;

  /** Connects when it is needed, because a server that is away must not stop the exporter. Calls at once share the connection. */
  function connected(): Promise<NatsConnection> {
    connecting ??= open();
    return connecting;
  }

  async function open(): Promise<NatsConnection> {
    const forget = () => {
      connecting = null;
    };
    try {
      const connection = await connect({
        servers,
        ...encryption,
        ...(token && { token }),
        reconnect: false,
        timeout: 5_000,
      });
      void connection.closed().then(forget);
      return connection;
    } catch (error) {
      forget();
      throw error;
    }
  }

  return {
    limits: { maxRows: 500, maxBytes: 4_000_000, maxRowBytes },
    async deliver({ rows }, signal): Promise<Outcome> {
      signal.throwIfAborted();
      const stream = jetstream(await connected());
      try {
        await Promise.all(rows.map(({ id, line }) => stream.publish(subject, line, { msgID: id, timeout: 10_000 })));
        return { kind: 'taken' };
      } catch (error) {
        if (!(error instanceof JetStreamApiError) || !blockedCodes.has(error.status)) throw error;
        return { kind: 'blocked', code: String(error.code), reason: error.message };
      }
    },
    async check(): Promise<readonly Finding[]> {
      const manager = await jetstreamManager(await connected());
      const name = await manager.streams.find(subject).catch(() => null);
      return name === null ? [{ says: `No stream has the subject ${subject}.`, stopsDelivery: true }] : [];
    },
    async close() {
      const connection = await connecting?.catch(() => null);
      await connection?.close();
    },
  };
};

export default create;
