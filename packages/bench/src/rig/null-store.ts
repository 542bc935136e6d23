import type { Tally } from '../store/tally.ts';
import { type Program, startProgram } from './program.ts';

/** What has arrived, by the objects' metadata. */
export interface StoreProgress {
  readonly objects: number;
  readonly rows: number;
  readonly bytes: number;
  /** When the newest object was there, in milliseconds since 1970. */
  readonly lastAt: number;
}

/** The null store, from outside. */
export interface NullStore {
  readonly endpoint: string;
  /** Forgets everything. `delayMs` is how long each PUT takes; without `keep` nothing can be tallied. */
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
