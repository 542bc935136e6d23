import type { LeasedBatch } from '@auditbox/core/export/batch.ts';
import type { Database } from '../database/connect.ts';

/**
 * Keeps a lease for `leaseMs` from now. False means that it is lost: another exporter has the batch. Called by the
 * exporter while a render takes long, outside of any transaction. Locks the batch's row. If we die right after, the
 * lease runs out by the database's clock.
 */
export async function extendLease(db: Database, { id, leaseToken }: LeasedBatch, leaseMs: number): Promise<boolean> {
  const rows = await db.query(
    (sql) => sql`
      update export_batch set leased_until = clock_timestamp() + ${leaseMs} * interval '1 millisecond'
      where id = ${id} and lease_token = ${leaseToken} and state = 'uploading'
      returning id`,
  );
  return rows.length === 1;
}
