import type { DeliveryLease } from '@auditbox/core/export/delivery.ts';
import type { Database } from '../database/connect.ts';

/** Why, and whether an object of the delivery may lie under the recorded key. */
export interface Failure {
  readonly error: string;
  readonly keepRender: boolean;
}

/**
 * `sending → failed`: the destination can never take this as things are; a person must look. False means that the lease
 * is lost.
 *
 * Caller: the exporter after a permanent error, outside of any transaction.
 * Locks: the delivery.
 * Crash: the next attempt meets the same error.
 */
export async function failDelivery(
  db: Database,
  { destination, batchId, leaseToken }: DeliveryLease,
  { error, keepRender }: Failure,
): Promise<boolean> {
  const forget = keepRender
    ? db.sql``
    : db.sql`, object_key = null, sha256 = null, ndjson_bytes = null, object_bytes = null`;
  const rows = await db.query(
    (sql) => sql`
    update auditbox.delivery
    set state = 'failed', lease_token = null, leased_until = null, last_error = ${error} ${forget}
    where destination = ${destination} and batch_id = ${batchId} and lease_token = ${leaseToken}::uuid
      and state = 'sending'
    returning batch_id`,
  );
  return rows.length === 1;
}
