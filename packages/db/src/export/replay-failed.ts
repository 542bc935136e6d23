import type { Database } from '../database/connect.ts';
import { idsIn } from '../sql/ids-in.ts';

/** Failed deliveries and rejected rows of a destination, by their ids. */
export interface ReplayIds {
  readonly destination: string;
  readonly batchIds: readonly string[];
  readonly outboxIds: readonly string[];
}

/** Rows of one replay batch: as many as a batch has by default. */
const rowsPerCall = 10_000;

/**
 * `failed → sealed`, due at once, and rejected rows into separate batches. Returns all of these batches. A delivery
 * that failed because all of its rows were rejected gets its rows back. Nothing that is not failed or rejected any more is
 * changed, so it is safe next to a running exporter and may be repeated.
 *
 * Caller: replay, outside of any transaction.
 * Locks: those deliveries and rejections.
 * Crash: any exporter goes on with what was replayed; the call can be repeated for the others.
 */
export async function replayFailed(
  db: Database,
  { destination, batchIds, outboxIds }: ReplayIds,
): Promise<{ batchIds: string[] }> {
  const resealed = await db.query(
    (sql) => sql<{ batchId: string }[]>`
    with failed as materialized (
      select d.batch_id from auditbox.delivery d
      where d.destination = ${destination} and d.state = 'failed' and d.batch_id in (${idsIn(db.sql, batchIds)})
      for update
    ), emptied as materialized (
      select f.batch_id from failed f join auditbox.batch b on b.id = f.batch_id
      where b.row_count = (
        select count(*) from auditbox.rejection r where r.destination = ${destination} and r.batch_id = f.batch_id)
    ), taken_back as (
      delete from auditbox.rejection r using emptied e
      where r.destination = ${destination} and r.batch_id = e.batch_id
      returning r.batch_id
    )
    update auditbox.delivery d set state = 'sealed', next_attempt_at = statement_timestamp()
    from failed f where d.destination = ${destination} and d.batch_id = f.batch_id
      -- Rejections go only while their delivery is failed, so the delete comes first.
      and (select count(*) from taken_back) >= 0
    returning d.batch_id::text as "batchId"`,
  );
  const replayed = resealed.map(({ batchId }) => batchId);
  for (let from = 0; from < outboxIds.length; from += rowsPerCall) {
    const part = outboxIds.slice(from, from + rowsPerCall);
    const made = await db.query(
      (sql) => sql<{ batchId: string }[]>`
      select id::text as "batchId"
      from auditbox.replay_rejections(${destination}, array(${idsIn(db.sql, part)})) as id`,
    );
    replayed.push(...made.map(({ batchId }) => batchId));
  }
  return { batchIds: replayed };
}
