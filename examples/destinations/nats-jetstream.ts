import type { CreateDestination, Finding, Outcome } from '@auditbox/destination-kit/destination.ts';
import { JetStreamApiError, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';

/*
 * Publishes each event to a stream of NATS JetStream. Needs the packages @nats-io/jetstream and @nats-io/transport-node.
 *
 *   { "name": "nats", "type": "module", "module": "./nats-jetstream.ts",
 *     "options": { "servers": "tls://nats.example:4222", "subject": "audit.events", "token": "${NATS_TOKEN}" } }
 *
 * The id of the event is its Nats-Msg-Id. So the stream drops an event that comes again within its duplicate_window, which
 * is two minutes unless you set it. Set it longer than an outage that you expect.
 */

interface Options {
  readonly servers: string;
  readonly subject: string;
  readonly token?: string;
}

/** NATS accepts 1 MB unless it is configured otherwise, and the headers count. */
const maxRowBytes = 1_000_000;

/** No such stream, or no right to publish: a person must act. */
const blockedCodes = new Set([400, 401, 403, 404]);

const create: CreateDestination = (given) => {
  const { servers, subject, token } = given as Options;
  if (!servers || !subject) throw new Error('The options servers and subject are required.');
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
      const connection = await connect({ servers, ...(token && { token }), reconnect: false, timeout: 5_000 });
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
