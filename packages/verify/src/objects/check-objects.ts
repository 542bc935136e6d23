import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { BatchEntry } from '../../../evidence/src/batch-entry.ts';
import { ArchiveError } from '../archive/archive.ts';
import { type ArchiveSource, openArchive } from '../archive/open-archive.ts';
import type { Finding } from '../finding.ts';
import type { ReceiptSearch } from '../receipts/receipt-search.ts';
import { createObjectCheck, type ObjectCheck } from './check-object.ts';
import { createFilterMemory, createIdFilter } from './id-filter.ts';
import type { WorkerAnswer, WorkerQuestion, WorkerTask } from './worker.ts';

/** A bucket answers slowly, and a disk fast. One of the objects is read by this thread, each other one by a worker. */
const objectsAtOnce = { folder: availableParallelism(), s3: Math.max(8, 2 * availableParallelism()) } as const;

const mostSuspects = 1_000_000;

/** In MB. What a worker makes is short-lived. A larger young generation only keeps it longer, in each worker. */
const workerYoungMb = 3;

export interface CheckedObjects {
  readonly objects: number;
  readonly rows: number;
  /** Objects that cannot be read, while others can. */
  readonly unread: number;
  /** How many of the objects that were read are locked now, and when the first of these locks ends. */
  readonly locked: number;
  readonly lockedUntil: string | null;
  /** Ids that may be in two events; null when they are too many to look for. */
  readonly suspects: ReadonlySet<string> | null;
}

/** Reads objects in threads and reports what is wrong. Throws ArchiveError when one could not be read. */
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
  let [objects, rows, unread, locked] = [0, 0, 0, 0];
  let lockedUntil: string | null = null;
  const now = new Date().toISOString();
  let isOver = false;

  async function work({ check, end }: Checker): Promise<void> {
    try {
      for (let next = await iterator.next(); !next.done && !isOver; next = await iterator.next()) {
        const answer = await check(next.value, new Set(options.receipts?.expectedIn(next.value)));
        for (const finding of answer.findings) options.report(finding);
        if (!answer.isRead) {
          options.receipts?.skip(next.value);
          unread += 1;
          continue;
        }
        options.receipts?.meet(next.value, answer.met);
        for (const id of answer.suspects) suspects?.add(id);
        if (suspects !== null && suspects.size > mostSuspects) suspects = null;
        objects += 1;
        rows += next.value.rows;
        const { until = '' } = answer.lock ?? {};
        if (until > now) {
          locked += 1;
          if (lockedUntil === null || until < lockedUntil) lockedUntil = until;
        }
        options.onProgress({ objects, rows });
      }
    } finally {
      // After an error of one of them, nobody waits for the others.
      isOver = true;
      await end();
    }
  }

  const workers = Array.from({ length: objectsAtOnce[source.kind] - 1 }, () => startWorker(task));
  await Promise.all([checkHere(task), ...workers].map(work));
  return { objects, rows, unread, locked, lockedUntil, suspects };
}

/** Checks one object at a time. */
interface Checker {
  readonly check: ObjectCheck;
  end(): Promise<unknown>;
}

/** In this thread: another worker would cost 25 MB, and this thread has little else to do. */
function checkHere({ source, filter }: WorkerTask): Checker {
  const check = createObjectCheck(openArchive(source), filter && createIdFilter(filter));
  return {
    async check(entry, wanted) {
      try {
        return await check(entry, wanted);
      } catch (error) {
        throw unreadable(entry, (error as Error).message);
      }
    },
    async end() {},
  };
}

function startWorker(task: WorkerTask): Checker {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: task,
    resourceLimits: { maxYoungGenerationSizeMb: workerYoungMb },
  });
  return {
    async check(entry, wanted) {
      const answer = await ask(worker, { entry, wanted });
      if (answer.kind === 'failed') throw unreadable(entry, answer.reason);
      return answer;
    },
    end: () => worker.terminate(),
  };
}

function unreadable({ key }: BatchEntry, reason: string): ArchiveError {
  return new ArchiveError(`${key} could not be read: ${reason}`);
}

function ask(worker: Worker, question: WorkerQuestion): Promise<WorkerAnswer> {
  return new Promise((resolve, reject) => {
    const onExit = () => reject(new ArchiveError(`${question.entry.key} could not be read: a thread ended.`));
    worker.once('message', (answer: WorkerAnswer) => {
      worker.off('error', reject).off('exit', onExit);
      resolve(answer);
    });
    worker.once('error', reject).once('exit', onExit);
    worker.postMessage(question);
  });
}
