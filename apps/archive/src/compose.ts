import { createBucketFiles } from '@auditbox/s3/bucket-files.ts';
import { createS3Access } from '@auditbox/s3/s3-access.ts';
import { createS3Client } from '@auditbox/s3/s3-client.ts';
import { openArchive } from './bucket/archive.ts';
import type { CommandParts } from './command-parts.ts';
import { createProgress } from './progress.ts';
import type { ArchiveSettings } from './settings.ts';
import type { Write } from './write-to.ts';

/** Requests at once. */
const maxRequests = 8;

interface Streams {
  /** The result. */
  readonly write: Write;
  /** For people. */
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

/** What the commands work with. No request is sent yet. */
export function createParts(settings: ArchiveSettings, { write, say, signal }: Streams): CommandParts {
  const { s3 } = settings;
  const files = createBucketFiles(createS3Access(createS3Client(s3, maxRequests), s3), s3);
  return {
    archive: openArchive(files, s3.prefix, signal),
    settings,
    progress: createProgress(say),
    write,
    say,
    signal,
  };
}
