import { parentPort, workerData } from 'node:worker_threads';
import type { BatchEntry } from '../../../evidence/src/batch-entry.ts';
import { type ArchiveSource, openArchive } from '../archive/open-archive.ts';
import { type CheckedObject, createObjectCheck } from './check-object.ts';
import { createIdFilter } from './id-filter.ts';

/** What a worker is started with. */
export interface WorkerTask {
  readonly source: ArchiveSource;
  /** Null below the level `events`. */
  readonly filter: SharedArrayBuffer | null;
}

/** An entry, and the ids of events that are looked for in its object. */
export interface WorkerQuestion {
  readonly entry: BatchEntry;
  readonly wanted: ReadonlySet<string>;
}

/** What is wrong with the object, ids that may have come before, and the lines of events with a receipt. */
export type WorkerAnswer =
  | ({ readonly kind: 'checked' } & CheckedObject)
  | { readonly kind: 'failed'; readonly reason: string };

const { source, filter } = workerData as WorkerTask;
const check = createObjectCheck(openArchive(source), filter && createIdFilter(filter));

parentPort?.on('message', async ({ entry, wanted }: WorkerQuestion) => {
  let answer: WorkerAnswer;
  try {
    answer = { kind: 'checked', ...(await check(entry, wanted)) };
  } catch (error) {
    answer = { kind: 'failed', reason: (error as Error).message };
  }
  parentPort?.postMessage(answer);
});
