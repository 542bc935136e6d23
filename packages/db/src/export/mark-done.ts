import type { DeliveryLease } from '@auditbox/core/export/delivery.ts';
import type { Database } from '../database/connect.ts';

/**
 * `sending → done`: the destination has the rows. Returns for each delivery, in their order, whether the lease was still
 * held; false means that it is lost, and with it the right to mark: the new holder finds the same object and marks it.
 *
 * Caller: the exporter after uploads, outside of any transaction. Uploads that end at the same moment share a call.
 * Locks: the deliveries, which nobody else waits for.
 * Crash: the next attempt finds the object and marks.
 */
export async function markDone(db: Database, deliveries: readonly DeliveryLease[]): Promise<boolean[]> {
  const held = deliveries.map(({ destination, batchId, leaseToken }) => ({
    destination,
    batch_id: batchId,
    token: leaseToken,
  }));
  const rows = await db.query(
    (sql) => sql<{ token: string }[]>`
    update auditbox.delivery d
    set state = 'done', done_at = statement_timestamp(), lease_token = null, leased_until = null, last_error = null
    from json_to_recordset(${JSON.stringify(held)}::text::json) as held (destination text, batch_id bigint, token uuid)
    where d.destination = held.destination and d.batch_id = held.batch_id and d.lease_token = held.token
      and d.state = 'sending'
    returning held.token`,
  );
  const marked = new Set(rows.map(({ token }) => token));
  return deliveries.map(({ leaseToken }) => marked.has(leaseToken));
}
