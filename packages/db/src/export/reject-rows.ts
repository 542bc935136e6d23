import type { DeliveryLease } from '@auditbox/core/export/delivery.ts';
import type { Database } from '../database/connect.ts';

/** A row that the destination can never take, or that cannot be rendered. */
export interface BadRow {
  readonly outboxId: string;
  readonly reason: string;
}

/**
 * `sending → sealed`, without some rows: they become rejections, and the delivery is due at once with the other rows. The
 * attempt does not count, and the render is forgotten, because the content is another one now. A delivery with no row
 * left becomes `failed`. False means that the lease is lost; then nothing changes.
 *
 * Caller: the exporter, outside of any transaction, after it made sure that the destination does not have the object of
 * an earlier render.
 * Locks: the delivery.
 * Crash: the next attempt meets the same rows.
 */
export async function rejectRows(
  db: Database,
  { destination, batchId, leaseToken }: DeliveryLease,
  bad: readonly BadRow[],
): Promise<boolean> {
  const rows = await db.query(
    (sql) => sql`
    with held as materialized (
      select d.batch_id from auditbox.delivery d
      where d.destination = ${destination} and d.batch_id = ${batchId} and d.lease_token = ${leaseToken}::uuid
        and d.state = 'sending'
      for update
    ), rejected as (
      insert into auditbox.rejection (destination, outbox_id, batch_id, audit_id, occurred_at, reason)
      select ${destination}, o.id, held.batch_id, o.audit_id, o.occurred_at, bad.reason
      from held
      cross join json_to_recordset(${JSON.stringify(bad)}::text::json) as bad ("outboxId" bigint, reason text)
      join auditbox.outbox o on o.id = bad."outboxId"
      on conflict do nothing
      returning reason
    ), remaining as materialized (
      select b.row_count - (select count(*) from rejected) - (
          select count(*) from auditbox.rejection r where r.destination = ${destination} and r.batch_id = b.id
        ) as rows
      from auditbox.batch b join held on held.batch_id = b.id
    )
    update auditbox.delivery d
    set state = case when remaining.rows > 0 then 'sealed' else 'failed' end, lease_token = null, leased_until = null,
      attempts = attempts - 1, next_attempt_at = statement_timestamp(),
      last_error = case when remaining.rows > 0 then last_error
        else 'All rows are rejected. The first: ' || (select min(reason) from rejected) end,
      object_key = null, sha256 = null, ndjson_bytes = null, object_bytes = null
    from held, remaining
    where d.destination = ${destination} and d.batch_id = held.batch_id
    returning d.batch_id`,
  );
  return rows.length === 1;
}
