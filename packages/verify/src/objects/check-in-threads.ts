import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { BatchEntry } from '../../../evidence/src/batch-entry.ts';
import { ArchiveError } from '../archive/archive.ts';
import { type ArchiveSource, openArchive } from '../archive/open-archive.ts';
import { type CheckedObject, createObjectCheck, type ObjectCheck } from './check-object.ts';
import { createIdFilter } from './id-filter.ts';
import type { WorkerAnswer, WorkerQuestion, WorkerTask } from './worker.ts';

/** A bucket answers slowly, and a disk fast. One of the objects is read by this thread, each other one by a worker. */
const objectsAtOnce = { folder: availableParallelism(), s3: Math.max(8, 2 * availableParallelism()) } as const;

/** In MB. What a worker makes is short-lived. A larger young generation only keeps it longer, in each worker. */
const workerYoungMb = 3;

/** What is looked for in the objects, and who takes what was found. */
export interface ThreadTask {
  readonly source: ArchiveSource;
  /** The ids that were met; null below the level `events`. */
  readonly filter: SharedArrayBuffer | null;
  /** The ids of events that are looked for in the object of this entry. */
  readonly wantedIn: (entry: BatchEntry) => ReadonlySet<string>;
  /** Called in this thread, once for each entry, in any order. */
  readonly onChecked: (entry: BatchEntry, answer: CheckedObject) => void;
}

/** Checks the objects of the entries in threads. Throws ArchiveError when one could not be read. */
export async function checkInThreads(
  entries: AsyncIterable<BatchEntry>,
  { source, filter, wantedIn, onChecked }: ThreadTask,
): Promise<void> {
  const iterator = entries[Symbol.asyncIterator]();
  let isOver = false;

  /** Starts a checker only for an entry: few objects need few workers. */
  async function work(start: (task: WorkerTask) => Checker): Promise<void> {
    let checker: Checker | null = null;
    try {
      for (let next = await iterator.next(); !next.done && !isOver; next = await iterator.next()) {
        checker ??= start({ source, filter });
        onChecked(next.value, await checker.check(next.value, wantedIn(next.value)));
      }
    } finally {
      // After an error of one of them, nobody waits for the others.
      isOver = true;
      await checker?.end();
    }
  }

  const workers = Array.from({ length: objectsAtOnce[source.kind] - 1 }, () => startWorker);
  await Promise.all([checkHere, ...workers].map(work));
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
