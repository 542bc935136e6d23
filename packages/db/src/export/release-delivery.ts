import type { DeliveryLease } from '@auditbox/core/export/delivery.ts';
import type { Database } from '../database/connect.ts';

/** Why a delivery goes back: only an attempt that reached the destination counts. */
export interface Release {
  readonly delayMs: number;
  readonly countsAsAttempt: boolean;
  /** Null leaves the last error as it is. */
  readonly error: string | null;
}

/**
 * `sending → sealed`: gives the lease back, for another attempt after a while. False means that it was lost already.
 *
 * Caller: the exporter after a transient or blocked error and at shutdown, outside of any transaction.
 * Locks: the delivery.
 * Crash: the lease runs out, and the effect is the same.
 */
export async function releaseDelivery(
  db: Database,
  { destination, batchId, leaseToken }: DeliveryLease,
  { delayMs, countsAsAttempt, error }: Release,
): Promise<boolean> {
  const rows = await db.query(
    (sql) => sql`
    update auditbox.delivery
    set state = 'sealed', lease_token = null, leased_until = null,
      attempts = attempts - ${countsAsAttempt ? 0 : 1}::int,
      next_attempt_at = statement_timestamp() + ${delayMs} * interval '1 millisecond',
      last_error = coalesce(${error}, last_error)
    where destination = ${destination} and batch_id = ${batchId} and lease_token = ${leaseToken}::uuid
      and state = 'sending'
    returning batch_id`,
  );
  return rows.length === 1;
}
