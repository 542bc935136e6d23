import { parentPort, workerData } from 'node:worker_threads';
import type { BatchEntry } from '../../../evidence/src/batch-entry.ts';
import { type ArchiveSource, openArchive } from '../archive/open-archive.ts';
import type { Finding } from '../finding.ts';
import { checkObject } from './check-object.ts';
import { createIdFilter } from './id-filter.ts';

/** What a worker is started with. */
export interface WorkerTask {
  readonly source: ArchiveSource;
  /** Null below the level `events`. */
  readonly filter: SharedArrayBuffer | null;
}

/** The answer to an entry: what is wrong with its object, and ids that may have come before. */
export type WorkerAnswer =
  | { readonly kind: 'checked'; readonly findings: readonly Finding[]; readonly suspects: readonly string[] }
  | { readonly kind: 'failed'; readonly reason: string };

const { source, filter } = workerData as WorkerTask;
const archive = openArchive(source);
const ids = filter && createIdFilter(filter);

parentPort?.on('message', async (entry: BatchEntry) => {
  let answer: WorkerAnswer;
  try {
    answer = { kind: 'checked', ...(await checkObject(archive, entry, ids)) };
  } catch (error) {
    answer = { kind: 'failed', reason: (error as Error).message };
  }
  parentPort?.postMessage(answer);
});
