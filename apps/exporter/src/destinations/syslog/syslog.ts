import { hostname } from 'node:os';
import { connect as connectTls } from 'node:tls';
import type { DeliveryRequest, Destination, Finding, Outcome, Row } from '@auditbox/destination-kit/destination.ts';
import { z } from 'zod';
import type { DestinationType } from '../configured/destination-type.ts';
import { requestLimits, tlsOptions } from '../configured/options.ts';
import { createTlsFiles } from '../tls/tls-files.ts';

const printable = (most: number) =>
  z.string().regex(new RegExp(`^[\\x21-\\x7e]{1,${most}}$`), `must be 1 to ${most} visible ASCII characters`);

const options = z.strictObject({
  host: z.string().min(1),
  port: z.int().min(1).max(65_535).default(6514),
  /** 13 is that of audit logs. */
  facility: z.int().min(0).max(23).default(13),
  appName: printable(48).default('auditbox'),
  hostname: printable(255).optional(),
  /** The number of an organisation at IANA. 32473 is the one of documents. */
  enterprise: z.int().min(1).max(4_294_967_295).default(32_473),
  /** A larger message is rejected. Many receivers cut at 8 KiB without a word. */
  maxMessageBytes: z.int().min(480).max(16_777_216).default(8_192),
  ...tlsOptions,
  ...requestLimits,
});

const informational = 6;
const usualBytes = 1_000_000;

/**
 * Syslog (RFC 5424) over TLS (RFC 5425), with a certificate that is checked. The protocol has no answer. So each request has
 * its own connection, and counts once the receiver has closed it in order: it has read to the end by then.
 */
export const syslog: DestinationType<typeof options> = {
  options,
  secrets: ['key'],
  create(
    { host, port, facility, appName, hostname: from, enterprise, maxMessageBytes, ca, cert, key, maxRows, maxBytes },
    { log },
  ) {
    const head = `<${facility * 8 + informational}>1`;
    const origin = `${from ?? hostname()} ${appName} - audit`;
    const frame = (row: Row): Buffer => {
      const message = `${head} ${row.occurredAt} ${origin} ${structuredData(row, enterprise)} \ufeff${row.line}`;
      const bytes = Buffer.from(message);
      return Buffer.concat([Buffer.from(`${bytes.length} `), bytes]);
    };

    const tls = createTlsFiles({ ca, cert, key }, log);

    /** Resolves once the receiver has closed the connection in order. */
    function exchange(frames: Buffer, signal: AbortSignal): Promise<void> {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      // A name in the certificate is compared with the host; an address is compared as an address.
      const socket = connectTls({ host, port, ...tls(), minVersion: 'TLSv1.2' });
      const abort = () => socket.destroy(new Error('The receiver did not close the connection in time.'));
      let isSent = false;
      signal.addEventListener('abort', abort, { once: true });
      socket.on('secureConnect', () => {
        socket.end(frames, () => {
          isSent = true;
        });
      });
      socket.on('error', reject);
      socket.on('end', () => {
        if (isSent) resolve();
        else reject(new Error('The receiver closed the connection before it had everything.'));
      });
      // Does nothing after an error or an end.
      socket.on('close', () => reject(new Error('The receiver broke the connection.')));
      socket.resume();
      return promise.finally(() => {
        signal.removeEventListener('abort', abort);
        socket.destroy();
      });
    }

    return {
      limits: {
        maxRows: maxRows ?? 1_000,
        maxBytes: maxBytes ?? usualBytes,
        maxRowBytes: maxMessageBytes,
        rowBytes: (row) => frame(row).length,
      },
      async deliver({ rows }: DeliveryRequest, signal): Promise<Outcome> {
        await exchange(Buffer.concat(rows.map(frame)), signal);
        return { kind: 'taken' };
      },
      async check(signal): Promise<readonly Finding[]> {
        await exchange(Buffer.alloc(0), signal);
        return [];
      },
      close: async () => {},
    } satisfies Destination;
  },
};

function structuredData({ id, action, tableName, objectId, changedBy }: Row, enterprise: number): string {
  const parameters = { id, action, table: tableName, object: objectId, by: changedBy };
  const list = Object.entries(parameters).map(([name, value]) => `${name}="${value.replaceAll(/["\\\]]/g, '\\$&')}"`);
  return `[auditbox@${enterprise} ${list.join(' ')}]`;
}
