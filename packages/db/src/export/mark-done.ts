import type { LeasedBatch } from '@auditbox/core/batch.ts';
import type { Database } from '../connect.ts';

/**
 * `uploading → done`: the object is in the bucket. That one row marks all of the batch's outbox rows done. False means
 * that the lease is lost, and with it the right to say so: its new holder will find the same object and mark it.
 *
 * Called by the exporter after the upload, outside of any transaction. Locks the batch's row. If we die before, the
 * next attempt finds the object and marks.
 */
export async function markDone(db: Database, { id, leaseToken }: LeasedBatch): Promise<boolean> {
  const rows = await db.answer(
    () => db.sql`
    update export_batch
    set state = 'done', exported_at = clock_timestamp(), lease_token = null, leased_until = null, last_error = null
    where id = ${id} and lease_token = ${leaseToken} and state = 'uploading'
    returning id`,
  );
  return rows.length === 1;
}
