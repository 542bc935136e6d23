import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { endSentence } from '@auditbox/core/text/end-sentence.ts';
import { exitWith } from './exit-with.ts';
import type { Scrape } from './metrics/scrape.ts';
import { shareConnections } from './share-connections.ts';
import { withCommands } from './with-commands.ts';

/** Connections at once, in all and for each network: health checks and Prometheus need a few, and nobody else any. */
const connections = { max: 200, share: 50 };
/** A caller that sends half a request, or takes nothing of its answer, is cut off. */
const slowMs = { headers: 10_000, stall: 60_000 };

export interface Health {
  /** Whether all loops still make progress. If not, the process should be restarted. */
  alive(): boolean;
  /** Throws an error with a sentence when the process cannot work now. Otherwise resolves to a warning or null. */
  ready(): Promise<string | null>;
  readonly metrics: Scrape;
}

/** Serves `GET /livez`, `GET /readyz` and `GET /metrics` for a process without any other HTTP. */
export async function serveHealth(
  health: Health,
  host: string,
  port: number,
): Promise<{ port: number; close(): void }> {
  const server = createServer({ headersTimeout: slowMs.headers }, async ({ url = '' }, response) => {
    const { status, text, type = 'text/plain' } = await respond(url.split('?', 1).join(), health);
    response.writeHead(status, { 'content-type': type }).end(withCommands(text));
  });
  server.maxConnections = connections.max;
  server.timeout = slowMs.stall;
  shareConnections(server, { share: connections.share, isProxy: () => false, onRefused: () => {} });
  server.listen(port, host);
  await once(server, 'listening').catch((error: Error) =>
    exitWith(`The health server cannot listen: ${endSentence(error.message)}`),
  );
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

async function respond(path: string, health: Health): Promise<{ status: number; text: string; type?: string }> {
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
