import type { Database } from '@auditbox/db/database/connect.ts';
import { listCheckpoints } from '@auditbox/db/log/checkpoints.ts';
import type { LogHead } from '@auditbox/db/log/open-log.ts';
import { checkpointFolder, checkpointPath, sizeOfCheckpoint } from '@auditbox/evidence/log-files.ts';
import type { DestinationError } from '../destinations/destination.ts';
import type { LogStore } from './log-store.ts';

/**
 * Whether bucket and database tell the same story. `ahead`: the bucket has a checkpoint that the database does not know, because
 * the database was restored from a backup. `behind`: a published checkpoint is missing in the bucket.
 */
export type BucketState =
  | { readonly kind: 'same' }
  | { readonly kind: 'ahead'; readonly size: number }
  | { readonly kind: 'behind'; readonly size: number }
  | DestinationError;

/**
 * Compares the checkpoints of the bucket with those of the database, from the newest published one on. Checkpoints are stored in
 * the database before they are published, so the database is asked last.
 */
export async function compareWithBucket(
  { db, destination, store }: { db: Database; destination: string; store: LogStore },
  { publishedSize }: LogHead,
  signal: AbortSignal,
): Promise<BucketState> {
  const sizes: number[] = [];
  for (let after = publishedSize === 0 ? '' : checkpointPath(publishedSize - 1); ; ) {
    const page = await store.list(checkpointFolder, after, signal);
    if (page.kind === 'error') return page;
    sizes.push(...page.paths.map(sizeOfCheckpoint).filter((size) => size !== null));
    if (page.isLast) break;
    after = page.paths.at(-1) ?? after;
  }
  const known = new Set((await listCheckpoints(db, destination, sizes)).map(({ size }) => size));
  const unknown = sizes.filter((size) => !known.has(size));
  if (unknown.length > 0) return { kind: 'ahead', size: Math.max(...unknown) };
  if (publishedSize > 0 && !sizes.includes(publishedSize)) return { kind: 'behind', size: publishedSize };
  return { kind: 'same' };
}
