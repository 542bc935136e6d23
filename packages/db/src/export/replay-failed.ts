import type { Database } from '../database/connect.ts';
import { idsIn } from '../sql/ids-in.ts';

/** Failed batches and quarantined rows by their ids. */
export interface ReplayIds {
  readonly batchIds: readonly string[];
  readonly outboxIds: readonly string[];
}

/**
 * `failed → sealed`, due at once, and quarantined rows pending again. Called by replay, outside of any transaction;
 * what is not failed or quarantined any more is left alone, so it is safe beside a running exporter and may be repeated.
 * Locks those rows. If we die right after, any exporter goes on with them.
 */
export async function replayFailed(db: Database, { batchIds, outboxIds }: ReplayIds): Promise<void> {
  await db.query(
    (sql) => sql`
    with batches as (
      update export_batch set state = 'sealed', next_attempt_at = clock_timestamp()
      where state = 'failed' and id in (${idsIn(db.sql, batchIds)})
    )
    update outbox set quarantine_reason = null
    where quarantine_reason is not null and id in (${idsIn(db.sql, outboxIds)})`,
  );
}
