import { hash } from 'node:crypto';
import { compressionByKey } from '@auditbox/core/export/compression.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { databaseTime } from '@auditbox/db/database/database-time.ts';
import { copyBatchLines } from '@auditbox/db/export/copy-batch-lines.ts';
import type { DoneDelivery } from '@auditbox/db/export/done-delivery.ts';
import type { Destination } from '../destinations/destination.ts';
import { createEncoder } from '../export/encode.ts';

/**
 * Creates the missing object of a done delivery again. Nothing is overwritten. Returns null when the object is there again,
 * else a sentence: the rows must render to the bytes that were recorded, and to the object that the log names.
 */
export async function repairObject(
  { db, destination }: { db: Database; destination: Destination },
  delivery: DoneDelivery,
  signal: AbortSignal,
): Promise<string | null> {
  const { key, sha256, objectSha256, rowCount: rows, firstOccurredAt, lastOccurredAt, isLogged } = delivery;
  const compression = compressionByKey(key);
  const encoder = createEncoder(compression, { isLogged: true });
  const copied = await copyBatchLines(db, delivery, encoder.add, signal);
  const { body, sha256: ours, linesRoot } = await encoder.end();
  if (copied.kind !== 'whole' || ours !== sha256)
    return 'It is lost: the rows of the database do not render to its bytes any more.';
  if (isLogged && objectSha256 !== null && hash('sha256', body, 'hex') !== objectSha256)
    return 'Its lines can be rendered, but this version compresses them to other bytes than the log names.';
  const storedAt = await databaseTime(db);
  const about = { key, body, compression, rows, sha256, firstOccurredAt, lastOccurredAt, linesRoot, storedAt };
  const put = await destination.put(about, signal);
  if (put.kind === 'error') return put.message;
  return put.kind === 'stored' ? null : 'Another writer created an object under its key.';
}
