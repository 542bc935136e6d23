import type { LeasedBatch } from '@auditbox/core/export/batch.ts';
import type { Database } from '../database/connect.ts';

/** A row that makes its batch impossible. */
export interface BadRow {
  readonly outboxId: string;
  readonly reason: string;
}

/**
 * Takes rows that cannot be rendered out of their batch, whose object is not in the bucket, and gives the lease back: the
 * rest is due at once, as what it now is. A batch that loses its last row goes. False means that the lease is lost. Called by the exporter,
 * outside of any transaction.
 *
 * Locks the batch's row and the bad rows. If we die before, the next attempt meets the same rows.
 */
export async function quarantineRows(
  db: Database,
  { id, leaseToken }: LeasedBatch,
  bad: readonly BadRow[],
): Promise<boolean> {
  const rows = await db.query(
    (sql) => sql`
    with held as materialized (
      select id, row_count from export_batch
      where id = ${id} and lease_token = ${leaseToken} and state = 'uploading'
      for update
    ), bad as (
      select * from json_to_recordset(${JSON.stringify(bad)}::text::json) as row ("outboxId" bigint, reason text)
    ), quarantined as (
      update outbox o set batch_id = null, quarantine_reason = bad.reason
      from bad, held where o.id = bad."outboxId" and o.batch_id = held.id
      returning o.id
    ), rest as (
      select min(o.occurred_at) as first_occurred_at, max(o.occurred_at) as last_occurred_at
      from outbox o join held on o.batch_id = held.id
      where o.id not in (select id from quarantined)
    ), emptied as (
      delete from export_batch b using held
      where b.id = held.id and held.row_count = (select count(*) from quarantined)
      returning b.id
    ), shrunk as (
      update export_batch b
      set state = 'sealed', lease_token = null, leased_until = null, next_attempt_at = clock_timestamp(),
        row_count = b.row_count - (select count(*) from quarantined), attempts = b.attempts - 1,
          first_occurred_at = rest.first_occurred_at, last_occurred_at = rest.last_occurred_at,
          object_key = null, sha256 = null, bytes = null, object_bytes = null
      from held, rest
      where b.id = held.id and held.row_count > (select count(*) from quarantined)
      returning b.id
    )
    select id from emptied union all select id from shrunk`,
  );
  return rows.length === 1;
}
