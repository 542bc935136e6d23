import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Scrape } from './metrics/scrape.ts';
import { leaveWith } from './run-main.ts';

/** What a process tells about its health. */
export interface Health {
  /** Whether its loops make turns; when not, it should be started again. */
  alive(): boolean;
  /** Throws a sentence when it could not do its work now; else resolves to a warning, or null. */
  ready(): Promise<string | null>;
  readonly metrics: Scrape;
}

/** Serves `GET /livez`, `GET /readyz` and `GET /metrics` for a process that has no other HTTP. Resolves to the port it listens on. */
export async function serveHealth(
  health: Health,
  host: string,
  port: number,
): Promise<{ port: number; close(): void }> {
  const server = createServer(async ({ url = '' }, response) => {
    const { status, text, type = 'text/plain' } = await answerTo(url.split('?', 1).join(), health);
    response.writeHead(status, { 'content-type': type }).end(text);
  });
  server.listen(port, host);
  await once(server, 'listening').catch((error: Error) => leaveWith(`Health cannot be served: ${error.message}.`));
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

async function answerTo(path: string, health: Health): Promise<{ status: number; text: string; type?: string }> {
  try {
    switch (path) {
      case '/livez':
        return health.alive() ? { status: 200, text: 'alive\n' } : { status: 503, text: 'stuck\n' };
      case '/readyz': {
        const warning = await health.ready();
        return { status: 200, text: warning === null ? 'ready\n' : `ready\n${warning}\n` };
      }
      case '/metrics':
        return { status: 200, text: await health.metrics.text(), type: health.metrics.contentType };
      default:
        return { status: 404, text: 'not found\n' };
    }
  } catch (error) {
    return { status: 503, text: `${(error as Error).message}\n` };
  }
}
