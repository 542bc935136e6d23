import type { DeliveryLease } from '@auditbox/core/export/delivery.ts';
import type { Database } from '../database/connect.ts';
import type { BadRow } from './reject-rows.ts';

/** How far a delivery by requests has come. */
export interface Settled {
  /** All rows of the batch before this one are taken, rejected, or not meant for the destination. */
  readonly nextRow: number;
  readonly rejected: readonly BadRow[];
  /** Whether no row is left. */
  readonly isLast: boolean;
}

/** What became of it. `lost`: another exporter has the delivery, and nothing changed. */
export type SettleResult =
  | 'settled'
  /** Settled, and the destination was paused: nothing more is sent for now. */
  | 'paused'
  | 'lost';

/**
 * `sending → sending`, with more rows settled and a longer lease, or `sending → done` when no row is left. Rejections and
 * progress are one statement. Progress makes the delivery's attempts begin anew.
 *
 * Caller: the exporter after requests, outside of any transaction.
 * Locks: the delivery.
 * Crash: the requests behind the recorded row are sent again, with the same keys and bytes.
 */
export async function settleRows(
  db: Database,
  { destination, batchId, leaseToken }: DeliveryLease,
  { nextRow, rejected, isLast }: Settled,
  leaseMs: number,
): Promise<SettleResult> {
  const next = isLast
    ? db.sql`state = 'done', done_at = statement_timestamp(), lease_token = null, leased_until = null, last_error = null`
    : db.sql`leased_until = statement_timestamp() + ${leaseMs} * interval '1 millisecond'`;
  const [row] = await db.query(
    (sql) => sql<{ isPaused: boolean }[]>`
    with held as materialized (
      select d.batch_id,
        coalesce((select n.is_paused from auditbox.destination n where n.name = d.destination), false) as is_paused
      from auditbox.delivery d
      where d.destination = ${destination} and d.batch_id = ${batchId} and d.lease_token = ${leaseToken}::uuid
        and d.state = 'sending'
      for update
    ), rejected as (
      insert into auditbox.rejection (destination, outbox_id, batch_id, audit_id, occurred_at, reason)
      select ${destination}, o.id, held.batch_id, o.audit_id, o.occurred_at, bad.reason
      from held
      cross join json_to_recordset(${JSON.stringify(rejected)}::text::json) as bad ("outboxId" bigint, reason text)
      join auditbox.outbox o on o.id = bad."outboxId"
      on conflict do nothing
      returning 1
    )
    update auditbox.delivery d set next_row = ${nextRow}, attempts = 1, ${next}
    -- Rejections are made only while the delivery is being sent, so the insert comes first.
    from held where (select count(*) from rejected) >= 0
      and d.destination = ${destination} and d.batch_id = held.batch_id
    returning held.is_paused as "isPaused"`,
  );
  if (row === undefined) return 'lost';
  return row.isPaused ? 'paused' : 'settled';
}
