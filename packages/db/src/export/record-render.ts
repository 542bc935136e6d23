import type { LeasedBatch, RenderedObject } from '@auditbox/core/batch.ts';
import type { Database } from '../connect.ts';

/**
 * Writes down what the batch was rendered to and extends the lease for the upload. False means that the lease is lost:
 * another exporter has the batch now. Called by the exporter before each upload, outside of any transaction.
 *
 * Locks the batch's row. If we die right after, the next attempt knows the key under which this one may have stored an
 * object, whatever prefix or format is in force by then.
 */
export async function recordRender(
  db: Database,
  { id, leaseToken }: LeasedBatch,
  { key, sha256, bytes, objectBytes }: RenderedObject & { readonly bytes: number },
  leaseMs: number,
): Promise<boolean> {
  const rows = await db.answer(
    () => db.sql`
    update export_batch
    set object_key = ${key}, sha256 = ${sha256}, bytes = ${bytes}, object_bytes = ${objectBytes},
      leased_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
    where id = ${id} and lease_token = ${leaseToken} and state = 'uploading'
    returning id`,
  );
  return rows.length === 1;
}
