import type { LeasedBatch } from '@auditbox/core/export/batch.ts';
import type { Database } from '../database/connect.ts';

/** Why a batch goes back: only a try that reached the object counts as an attempt. */
export interface Release {
  readonly delayMs: number;
  readonly countsAsAttempt: boolean;
  /** Null leaves the last error as it is. */
  readonly error: string | null;
}

/**
 * `uploading → sealed`: gives the lease back, for another attempt after a while. False means that it was lost already.
 * Called by the exporter after a transient or blocked refusal and at shutdown, outside of any transaction. Locks the
 * batch's row. If we die before, the lease runs out and the effect is the same.
 */
export async function releaseBatch(
  db: Database,
  { id, leaseToken }: LeasedBatch,
  { delayMs, countsAsAttempt, error }: Release,
): Promise<boolean> {
  const rows = await db.query(
    (sql) => sql`
    update export_batch
    set state = 'sealed', lease_token = null, leased_until = null,
      attempts = attempts - ${countsAsAttempt ? 0 : 1}::int,
      next_attempt_at = clock_timestamp() + ${delayMs} * interval '1 millisecond',
      last_error = coalesce(${error}, last_error)
    where id = ${id} and lease_token = ${leaseToken} and state = 'uploading'
    returning id`,
  );
  return rows.length === 1;
}
