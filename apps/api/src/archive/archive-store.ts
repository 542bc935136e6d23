import { createFairTurns } from '@auditbox/db/database/fair-turns.ts';
import type { LinesOutcome, PromisedObject } from '@auditbox/s3/archived-lines.ts';
import type { S3Settings } from '@auditbox/s3/s3-settings.ts';
import { HttpProblem } from '../http/problem.ts';

/** The objects in the bucket, as the api reads them: a few at once, so that questions about old events slow no other request. */
export interface ArchiveStore {
  /** Runs a read of objects when it is its turn. Throws a 503 if too many wait. */
  inTurn<T>(read: () => Promise<T>): Promise<T>;
  /** As `readArchivedLines`. */
  readLines(object: PromisedObject, onLine: (line: Buffer) => void, signal: AbortSignal): Promise<LinesOutcome>;
}

/** One key may use one of the two, and half of the places to wait. */
const limits = { running: 2, runningEach: 1, waiting: 20, waitingEach: 10, waitMs: 60_000 };

/** Opens no connection, and does not load the SDK before the first read: it would make the api start slowly. */
export function createArchiveStore(settings: S3Settings): ArchiveStore {
  let opened: ReturnType<typeof open> | null = null;
  const turns = createFairTurns(limits, tooMany);
  return {
    inTurn: turns.run,
    async readLines(object, onLine, signal) {
      opened ??= open(settings);
      const { files, readArchivedLines } = await opened;
      return readArchivedLines(files, object, onLine, signal);
    },
  };
}

async function open(settings: S3Settings) {
  const [{ createBucketFiles }, { createS3Access }, { createS3Client }, { readArchivedLines }] = await Promise.all([
    import('@auditbox/s3/bucket-files.ts'),
    import('@auditbox/s3/s3-access.ts'),
    import('@auditbox/s3/s3-client.ts'),
    import('@auditbox/s3/archived-lines.ts'),
  ]);
  const files = createBucketFiles(createS3Access(createS3Client(settings, limits.running), settings), settings);
  return { files, readArchivedLines };
}

function tooMany(): HttpProblem {
  return new HttpProblem(503, 'Too many reads of the archive wait. Try again later.', {
    headers: { 'retry-after': '5' },
    rejectReason: 'overload',
  });
}
