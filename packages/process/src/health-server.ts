import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { leaveWith } from './run-main.ts';

/** A process's health: `ready` throws a sentence when it could not do its work now. */
export interface Health {
  /** Whether the process turns; when not, it should be started again. */
  alive(): boolean;
  ready(): Promise<void>;
  /** All metrics in Prometheus's text format, and its content type. */
  metrics(): Promise<{ readonly type: string; readonly text: string }>;
}

/** Serves `GET /livez`, `GET /readyz` and `GET /metrics` for a process that has no other HTTP. Resolves to the port it listens on. */
export async function serveHealth(
  health: Health,
  host: string,
  port: number,
): Promise<{ port: number; close(): void }> {
  const server = createServer(async (request, response) => {
    const answer = (status: number, text: string, type = 'text/plain') =>
      response.writeHead(status, { 'content-type': type }).end(text);
    if (request.url === '/livez') return answer(health.alive() ? 200 : 503, health.alive() ? 'alive\n' : 'stuck\n');
    if (request.url === '/metrics') {
      const { type, text } = await health.metrics();
      return answer(200, text, type);
    }
    if (request.url !== '/readyz') return answer(404, 'not found\n');
    try {
      await health.ready();
      answer(200, 'ready\n');
    } catch (error) {
      answer(503, `${(error as Error).message}\n`);
    }
  });
  server.listen(port, host);
  await once(server, 'listening').catch((error: Error) => leaveWith(`Health cannot be served: ${error.message}.`));
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}
