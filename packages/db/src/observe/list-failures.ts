import type { Partition } from '@auditbox/core/export/partition.ts';
import type { Database } from '../database/connect.ts';

/** What waits for a person at a destination: the oldest of each kind. */
export interface Failures {
  readonly deliveries: readonly { batchId: string; partition: Partition; rows: number; error: string }[];
  /** Rows of failed deliveries are not among them. */
  readonly rows: readonly { auditId: string; batchId: string; reason: string }[];
}

/**
 * Caller: `GET /exports`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listFailures(
  db: Database,
  { destination, limit }: { destination: string; limit: number },
): Promise<Failures> {
  const deliveries = await db.query(
    (sql) => sql<Failures['deliveries'][number][]>`
      select d.batch_id::text as "batchId", b.partition, b.row_count as rows, d.last_error as error
      from (
        select batch_id, last_error from auditbox.delivery v
        where v.destination = ${destination} and v.state = 'failed'
        order by v.batch_id
        limit ${limit}
      ) d join auditbox.batch b on b.id = d.batch_id
      order by d.batch_id`,
  );
  const rows = await db.query(
    (sql) => sql<Failures['rows'][number][]>`
      select r.audit_id as "auditId", r.batch_id::text as "batchId", r.reason
      from (
        select outbox_id, audit_id, batch_id, reason from auditbox.rejection j
        where j.destination = ${destination} and j.replayed_in is null
        order by j.outbox_id
        limit ${limit}
      ) r
      where not exists (
        select from auditbox.delivery d
        where d.destination = ${destination} and d.batch_id = r.batch_id and d.state = 'failed')
      order by r.outbox_id`,
  );
  return { deliveries, rows };
}
