import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { BatchEntry } from '../../../evidence/src/batch-entry.ts';
import { ArchiveError } from '../archive/archive.ts';
import type { ArchiveSource } from '../archive/open-archive.ts';
import type { Finding } from '../finding.ts';
import type { ReceiptSearch } from '../receipts/receipt-search.ts';
import { createFilterMemory } from './id-filter.ts';
import type { WorkerAnswer, WorkerQuestion, WorkerTask } from './worker.ts';

/** A bucket answers slowly, and a disk fast. */
const objectsAtOnce = { folder: availableParallelism(), s3: Math.max(8, 2 * availableParallelism()) } as const;

const mostSuspects = 1_000_000;

/** What a worker makes is short-lived. A larger young generation only keeps it longer, in each worker. */
const workerYoungMb = 8;

export interface CheckedObjects {
  readonly objects: number;
  readonly rows: number;
  /** Ids that may be in two events; null when they are too many to look for. */
  readonly suspects: ReadonlySet<string> | null;
}

/** Reads objects in workers and reports what is wrong. Throws ArchiveError when one could not be read. */
export async function checkObjects(
  source: ArchiveSource,
  entries: AsyncIterable<BatchEntry>,
  options: {
    readonly events: boolean;
    /** Null: receipts are not looked at. */
    readonly receipts: ReceiptSearch | null;
    readonly report: (finding: Finding) => void;
    readonly onProgress: (done: { objects: number; rows: number }) => void;
  },
): Promise<CheckedObjects> {
  const task: WorkerTask = { source, filter: options.events ? createFilterMemory() : null };
  const iterator = entries[Symbol.asyncIterator]();
  let suspects: Set<string> | null = new Set();
  let [objects, rows] = [0, 0];

  async function work(): Promise<void> {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: task,
      resourceLimits: { maxYoungGenerationSizeMb: workerYoungMb },
    });
    try {
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
        const receipted = options.receipts?.expectedIn(next.value) ?? [];
        const answer = await ask(worker, { entry: next.value, receipted });
        if (answer.kind === 'failed') throw new ArchiveError(`${next.value.key} could not be read: ${answer.reason}`);
        for (const finding of answer.findings) options.report(finding);
        options.receipts?.meet(next.value, answer.met);
        for (const id of answer.suspects) suspects?.add(id);
        if (suspects !== null && suspects.size > mostSuspects) suspects = null;
        objects += 1;
        rows += next.value.rows;
        options.onProgress({ objects, rows });
      }
    } finally {
      await worker.terminate();
    }
  }

  await Promise.all(Array.from({ length: objectsAtOnce[source.kind] }, work));
  return { objects, rows, suspects };
}

function ask(worker: Worker, question: WorkerQuestion): Promise<WorkerAnswer> {
  return new Promise((resolve, reject) => {
    worker.once('message', (answer: WorkerAnswer) => {
      worker.off('error', reject);
      resolve(answer);
    });
    worker.once('error', reject);
    worker.postMessage(question);
  });
}
