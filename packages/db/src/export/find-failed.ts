import type { Partition } from '@auditbox/core/export/partition.ts';
import type { Database } from '../database/connect.ts';

/** Which failed deliveries and rejected rows of a destination; all of them where a field is null. */
export interface FailedSelector {
  readonly destination: string;
  /** Event times, both included, ISO 8601 in UTC. A delivery is meant if any of its rows may lie in between. */
  readonly occurredFrom: string | null;
  readonly occurredTo: string | null;
  /** This batch alone. */
  readonly batchId: string | null;
  /** Default: all of them. */
  readonly limit?: { readonly batches: number; readonly rows: number };
}

/** What waits for a person. */
export interface Failed {
  readonly deliveries: readonly { batchId: string; partition: Partition; rows: number; error: string }[];
  /** Rows of failed deliveries are not among them: they are replayed with their delivery. */
  readonly rows: readonly { outboxId: string; auditId: string; batchId: string; reason: string }[];
}

/**
 * Caller: replay.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findFailed(db: Database, selector: FailedSelector): Promise<Failed> {
  const { destination, occurredFrom, occurredTo, batchId, limit } = selector;
  const deliveries = await db.query(
    (sql) => sql<Failed['deliveries'][number][]>`
    select b.id::text as "batchId", b.partition, d.last_error as error,
      -- A replay gives a delivery without a row left all of them back.
      coalesce(nullif(b.row_count - r.rejected, 0), b.row_count) as rows
    from auditbox.delivery d join auditbox.batch b on b.id = d.batch_id
    cross join lateral (
      select count(*)::int as rejected from auditbox.rejection r where r.destination = d.destination and r.batch_id = b.id
    ) r
    where d.destination = ${destination} and d.state = 'failed'
      and (${batchId}::bigint is null or b.id = ${batchId}::bigint)
      and (${occurredFrom}::timestamptz is null or b.last_occurred_at >= ${occurredFrom}::timestamptz)
      and (${occurredTo}::timestamptz is null or b.first_occurred_at <= ${occurredTo}::timestamptz)
    order by b.id limit ${limit?.batches ?? null}`,
  );
  const rows = await db.query(
    (sql) => sql<Failed['rows'][number][]>`
    select r.outbox_id::text as "outboxId", r.audit_id as "auditId", r.batch_id::text as "batchId", r.reason
    from auditbox.rejection r
    join auditbox.delivery d on d.destination = r.destination and d.batch_id = r.batch_id
    where r.destination = ${destination} and r.replayed_in is null and d.state <> 'failed'
      and (${batchId}::bigint is null or r.batch_id = ${batchId}::bigint)
      and (${occurredFrom}::timestamptz is null or r.occurred_at >= ${occurredFrom}::timestamptz)
      and (${occurredTo}::timestamptz is null or r.occurred_at <= ${occurredTo}::timestamptz)
    order by r.outbox_id limit ${limit?.rows ?? null}`,
  );
  return { deliveries, rows };
}
