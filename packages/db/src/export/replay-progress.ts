import type { Database } from '../database/connect.ts';
import { idsIn } from '../sql/ids-in.ts';

/** How far a replay has come, in rows. All other rows failed or were rejected again. */
export interface ReplayProgress {
  readonly sent: number;
  readonly underWay: number;
}

/**
 * Caller: replay, until nothing is under way.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function replayProgress(
  db: Database,
  { destination, batchIds }: { destination: string; batchIds: readonly string[] },
): Promise<ReplayProgress> {
  const [row] = await db.query(
    (sql) => sql<[ReplayProgress]>`
      select
        coalesce(sum(rows) filter (where state = 'done'), 0)::int as sent,
        coalesce(sum(rows) filter (where state in ('sealed', 'sending')), 0)::int as "underWay"
      from (
        select d.state, b.row_count - (
            select count(*) from auditbox.rejection r where r.destination = d.destination and r.batch_id = d.batch_id
          ) as rows
        from auditbox.delivery d join auditbox.batch b on b.id = d.batch_id
        where d.destination = ${destination} and d.batch_id in (${idsIn(db.sql, batchIds)})
      ) replayed`,
  );
  return row;
}
