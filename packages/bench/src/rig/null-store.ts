import { setTimeout as sleep } from 'node:timers/promises';
import type { Tally } from '../store/tally.ts';
import { type Program, startProgram } from './program.ts';

const checkEveryMs = 50;
const giveUpAfterMs = 120_000;

/** Number of objects and rows so far, according to the objects' metadata. */
export interface StoreProgress {
  readonly objects: number;
  readonly rows: number;
  readonly bytes: number;
  /** Arrival of the newest object, in milliseconds since 1970. */
  readonly lastAt: number;
}

/** Controls the null store, which is a separate process. */
export interface NullStore {
  readonly endpoint: string;
  /** Deletes all objects. Each PUT then lasts at least `delayMs`. Without `keep`, bodies are dropped and cannot be tallied. */
  start(options: { readonly delayMs: number; readonly keep?: boolean }): Promise<void>;
  progress(): Promise<StoreProgress>;
  tally(): Promise<Tally>;
  close(): Promise<void>;
}

export async function startNullStore(): Promise<NullStore> {
  const program: Program = await startProgram({
    file: new URL('../store/main.ts', import.meta.url),
    env: {},
    ready: /^ready/,
  });
  const endpoint = `http://127.0.0.1:${program.readyLine.split(' ')[1]}`;
  const ask = async <T>(path: string, method = 'GET') => (await fetch(`${endpoint}${path}`, { method })).json() as T;
  return {
    endpoint,
    start: ({ delayMs, keep = true }) => ask(`/start?delayMs=${delayMs}&keep=${keep}`, 'POST'),
    progress: () => ask('/progress'),
    tally: () => ask('/tally'),
    close: () => program.stop(),
  };
}

/** Resolves once `rows` rows have arrived. Throws when no row arrives for two minutes. */
export async function waitUntilExported(store: NullStore, rows: number): Promise<StoreProgress> {
  let seen = -1;
  let movedAt = performance.now();
  for (;;) {
    const progress = await store.progress();
    if (progress.rows >= rows) return progress;
    if (progress.rows !== seen) movedAt = performance.now();
    seen = progress.rows;
    if (performance.now() - movedAt > giveUpAfterMs) throw new Error(`Only ${seen} of ${rows} rows have arrived.`);
    await sleep(checkEveryMs);
  }
}
