import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** The work of a load generator. */
export interface LoadPlan {
  readonly port: number;
  readonly key: string;
  readonly path: '/audit' | '/audit/batch';
  /** More than one makes each request a batch. */
  readonly eventsPerRequest: number;
  readonly connections: number;
  /** A fixed rate, however long responses take. When null, each connection sends the next request after the response. */
  readonly requestsPerSecond: number | null;
  /** Requests of this time are not part of the figures. */
  readonly warmUpMs: number;
  readonly durationMs: number;
}

/** Result of a load generator. */
export interface LoadResult {
  /** All acknowledged events, including the warm-up: the number that the database must hold. */
  readonly acknowledged: number;
  /** Number of responses other than 2xx, by status. */
  readonly refused: Readonly<Record<string, number>>;
  /** Without the warm-up. */
  readonly eventsPerSecond: number;
  readonly requestMs: { readonly p50: number; readonly p99: number };
  /** Share of one core that the generator itself used. */
  readonly ownCores: number;
}

const run = promisify(execFile);
const main = fileURLToPath(new URL('main.ts', import.meta.url));

/** Runs a load generator in a separate process to its end. */
export async function runLoad(plan: LoadPlan): Promise<LoadResult> {
  const { stdout } = await run(process.execPath, [main, JSON.stringify(plan)]);
  return JSON.parse(stdout) as LoadResult;
}
