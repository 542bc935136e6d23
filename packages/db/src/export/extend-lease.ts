import type { DeliveryLease } from '@auditbox/core/export/delivery.ts';
import type { Database } from '../database/connect.ts';

/**
 * Keeps a lease for `leaseMs` from now. False means that it is lost: another exporter has the delivery.
 *
 * Caller: the exporter while an attempt takes long, outside of any transaction.
 * Locks: the delivery.
 * Crash: the lease runs out by the database's clock.
 */
export async function extendLease(
  db: Database,
  { destination, batchId, leaseToken }: DeliveryLease,
  leaseMs: number,
): Promise<boolean> {
  const rows = await db.query(
    (sql) => sql`
      update auditbox.delivery set leased_until = statement_timestamp() + ${leaseMs} * interval '1 millisecond'
      where destination = ${destination} and batch_id = ${batchId} and lease_token = ${leaseToken}::uuid
        and state = 'sending'
      returning batch_id`,
  );
  return rows.length === 1;
}
