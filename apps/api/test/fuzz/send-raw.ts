import { Agent, request } from 'node:http';
import { masterKey } from '@auditbox/testing/fixtures/api-fixture.ts';

export interface RawAnswer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

const agent = new Agent({ keepAlive: true, maxSockets: 32 });

/** Sends a path unchanged: fetch would repair an invalid path. */
export function sendRaw(base: string, path: string, headers: Record<string, string> = {}): Promise<RawAnswer> {
  const { hostname, port } = new URL(base);
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>();
  const sent = request(
    { agent, hostname, port, path, headers: { authorization: `Bearer ${masterKey}`, ...headers } },
    (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.once('error', reject);
      answer.once('end', () =>
        resolve({
          status: answer.statusCode ?? 0,
          type: answer.headers['content-type'] ?? '',
          text: Buffer.concat(parts).toString(),
        }),
      );
    },
  );
  sent.once('error', reject);
  sent.end();
  return promise;
}
