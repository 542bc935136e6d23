import type { LeasedBatch } from '@auditbox/core/export/batch.ts';
import type { Database } from '../database/connect.ts';

/**
 * `uploading → done`: the objects are in the bucket. A batch's one row marks all of its outbox rows done. Says for each
 * batch, in their order, whether the lease was still held; false means that it is lost, and with it the right to say so:
 * its new holder will find the same object and mark it.
 *
 * Called by the exporter after uploads, outside of any transaction; uploads that end at the same moment share a call.
 * Locks the batches' rows, which nobody else waits for. If we die before, the next attempt finds the object and marks.
 */
export async function markDone(db: Database, batches: readonly LeasedBatch[]): Promise<boolean[]> {
  const held = JSON.stringify(batches.map(({ id, leaseToken }) => ({ id, token: leaseToken })));
  const rows = await db.query(
    (sql) => sql<{ token: string }[]>`
    update export_batch b
    set state = 'done', exported_at = clock_timestamp(), lease_token = null, leased_until = null, last_error = null
    from json_to_recordset(${held}::text::json) as held (id bigint, token uuid)
    where b.id = held.id and b.lease_token = held.token and b.state = 'uploading'
    returning held.token`,
  );
  const marked = new Set(rows.map(({ token }) => token));
  return batches.map(({ leaseToken }) => marked.has(leaseToken));
}
