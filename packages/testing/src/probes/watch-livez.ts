import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** What an attack did to an api. */
export interface Felt {
  /** The longest time that /livez took. */
  readonly longestMs: number;
  /** In that time: how long the main thread of the api ran, and how long it and the watching thread waited for a processor. */
  readonly longest: { readonly apiRanMs: number; readonly apiWaitedMs: number; readonly ownWaitedMs: number };
  /** The most memory of the process at one moment. */
  readonly mostBytes: number;
  readonly answers: number;
}

/** Watches an api while `attack` runs. */
export async function watchLivez<T>(
  { url, pid }: { readonly url: string; readonly pid: number },
  attack: () => Promise<T>,
): Promise<{ readonly result: T; readonly felt: Felt }> {
  const worker = new Worker(new URL('./livez-worker.ts', import.meta.url), { workerData: { url, pid } });
  const reported = once(worker, 'message') as Promise<[Felt]>;
  await once(worker, 'online');
  try {
    const result = await attack();
    worker.postMessage('stop');
    const [felt] = await reported;
    return { result, felt };
  } finally {
    await worker.terminate();
  }
}
