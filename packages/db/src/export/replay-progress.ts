import type { Database } from '../database/connect.ts';
import { idsIn } from '../sql/ids-in.ts';
import type { ReplayIds } from './replay-failed.ts';

/** How far a replay has come, in rows. Rows that are neither have failed or were quarantined again. */
export interface ReplayProgress {
  readonly sent: number;
  readonly underWay: number;
}

/** Called by replay until nothing is under way; takes no locks. */
export async function replayProgress(db: Database, { batchIds, outboxIds }: ReplayIds): Promise<ReplayProgress> {
  const [row] = await db.query(
    (sql) => sql<[ReplayProgress]>`
      select
        coalesce(sum(rows) filter (where state = 'done'), 0)::int as sent,
        coalesce(sum(rows) filter (where state in ('pending', 'sealed', 'uploading')), 0)::int as "underWay"
      from (
        select state, row_count as rows from export_batch where id in (${idsIn(db.sql, batchIds)})
        union all
        select state, 1 from outbox_status where id in (${idsIn(db.sql, outboxIds)})
      ) replayed`,
  );
  return row;
}
