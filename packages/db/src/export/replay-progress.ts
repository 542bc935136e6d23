import type { Database } from '../connect.ts';
import { idsIn } from '../ids-in.ts';
import type { ReplayIds } from './replay-failed.ts';

/** How far a replay has come. Batches and rows are counted together: each is one thing that waited for a person. */
export interface ReplayProgress {
  readonly sent: number;
  /** Failed or quarantined again. */
  readonly failedAgain: number;
  readonly underWay: number;
}

/** Called by replay until nothing is under way; takes no locks. */
export async function replayProgress(db: Database, { batchIds, outboxIds }: ReplayIds): Promise<ReplayProgress> {
  const [row] = await db.answer(db.sql<[ReplayProgress]>`
    select
      count(*) filter (where state = 'done')::int as sent,
      count(*) filter (where state in ('failed', 'quarantined'))::int as "failedAgain",
      count(*) filter (where state in ('pending', 'sealed', 'uploading'))::int as "underWay"
    from (
      select state from export_batch where id in (${idsIn(db.sql, batchIds)})
      union all
      select state from outbox_status where id in (${idsIn(db.sql, outboxIds)})
    ) replayed`);
  return row;
}
