import type { Partition } from '@auditbox/core/export/partition.ts';
import type { Database } from '../database/connect.ts';

/** Which failed batches and quarantined rows; all of them where nothing is said. */
export interface FailedSelector {
  /** Event times, both included, ISO 8601 in UTC. A batch is meant if any of its rows may lie in between. */
  readonly occurredFrom: string | null;
  readonly occurredTo: string | null;
  /** This batch only; then no quarantined row is meant. */
  readonly batchId: string | null;
}

/** What waits for a person. */
export interface Failed {
  readonly batches: readonly { id: string; partition: Partition; rows: number; error: string }[];
  readonly rows: readonly { outboxId: string; auditId: string; reason: string }[];
}

/** Called by replay; takes no locks. */
export async function findFailed(db: Database, { occurredFrom, occurredTo, batchId }: FailedSelector): Promise<Failed> {
  const batches = await db.query(
    (sql) => sql<Failed['batches'][number][]>`
    select id::text, partition, row_count as rows, last_error as error
    from export_batch
    where state = 'failed'
      and (${batchId}::bigint is null or id = ${batchId}::bigint)
      and (${occurredFrom}::timestamptz is null or last_occurred_at >= ${occurredFrom}::timestamptz)
      and (${occurredTo}::timestamptz is null or first_occurred_at <= ${occurredTo}::timestamptz)
    order by id`,
  );
  const rows = await db.query(
    (sql) => sql<Failed['rows'][number][]>`
    select id::text as "outboxId", audit_id as "auditId", quarantine_reason as reason
    from outbox
    where quarantine_reason is not null
      and ${batchId}::bigint is null
      and (${occurredFrom}::timestamptz is null or occurred_at >= ${occurredFrom}::timestamptz)
      and (${occurredTo}::timestamptz is null or occurred_at <= ${occurredTo}::timestamptz)
    order by id`,
  );
  return { batches, rows };
}
