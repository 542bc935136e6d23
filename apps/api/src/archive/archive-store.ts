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

const maxRunning = 2;
const maxWaiting = 20;

/** Opens no connection, and does not load the SDK before the first read: it would make the api start slowly. */
export function createArchiveStore(settings: S3Settings): ArchiveStore {
  let opened: ReturnType<typeof open> | null = null;
  let running = 0;
  const waiting: (() => void)[] = [];
  return {
    async inTurn(read) {
      if (running < maxRunning) running += 1;
      else if (waiting.length >= maxWaiting) throw tooMany();
      // The one that leaves hands its turn over.
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        return await read();
      } finally {
        const next = waiting.shift();
        if (next === undefined) running -= 1;
        else next();
      }
    },
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
  const files = createBucketFiles(createS3Access(createS3Client(settings, maxRunning), settings), settings);
  return { files, readArchivedLines };
}

function tooMany(): HttpProblem {
  return new HttpProblem(503, 'Too many reads of the archive wait. Try again later.', {
    headers: { 'retry-after': '5' },
    rejectReason: 'overload',
  });
}
