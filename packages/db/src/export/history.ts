import type { Database } from '../database/connect.ts';
import { isInMonth, listMonths } from './batches-of-months.ts';

/** Where the next block of a history begins, and what this one did. */
export interface HistoryBlock {
  /** Null at the end. */
  readonly nextBehind: string | null;
  readonly added: number;
}

/**
 * Gives a destination the deliveries of old batches behind a batch id, of those that a seal made without it. Batches whose
 * event time is before `since`, or whose month was dropped, are left out.
 *
 * Caller: the exporter, block after block, from `'0'`, after `addDestination` committed.
 * Locks: the destination's row. Waits for a month that is being dropped, and the drop of a month waits for it.
 * Crash: the call can be repeated; a delivery that is there stays as it is.
 */
export async function addHistory(
  db: Database,
  request: { destination: string; behind: string; maxBatches: number; since: string | null },
): Promise<HistoryBlock> {
  const { destination, behind, maxBatches, since } = request;
  const [row] = await db.query(
    (sql) => sql<[HistoryBlock]>`
    with held as (
      -- Changes nothing. Its lock keeps a month from being dropped between the list of months and the commit.
      update auditbox.destination set history_since = history_since where name = ${destination} returning name
    ), ${listMonths(sql)}, block as materialized (
      select b.id, b.first_occurred_at, b.last_occurred_at
      from auditbox.batch b where b.id > ${behind} and b.replay_for is null
      order by b.id
      limit ${maxBatches}
    ), added as (
      insert into auditbox.delivery (destination, batch_id)
      select held.name, b.id
      from block b cross join held
      where (${since}::timestamptz is null or b.last_occurred_at >= ${since}::timestamptz) and ${isInMonth(sql)}
      on conflict do nothing
      returning 1
    )
    select (select max(id) from block)::text as "nextBehind", (select count(*) from added)::int as added`,
  );
  return row;
}

/** A seal that was running when the destination was added may commit this much later. */
const sealsEndWithin = '60 seconds';

/** Batches at the end of the list that are gone through once more, because batches do not become visible in the order of ids. */
const lastBatches = 1_000;

/** What a step of a history did. */
export type HistoryStep =
  | 'added'
  /** The end was reached, and a seal that began before the destination was added may still commit. */
  | 'waiting'
  /** No history is asked for, or nothing of it is left. */
  | 'done'
  /** There is no such destination. */
  | 'unknown';

/**
 * Adds the next block of the history that a destination asked for, and keeps how far it is.
 *
 * Caller: the exporter, again and again.
 * Locks: the destination's row. Waits for a month that is being dropped.
 * Crash: the block is added again; a delivery that is there stays as it is.
 */
export async function continueHistory(db: Database, destination: string, maxBatches: number): Promise<HistoryStep> {
  const [state] = await db.query(
    (sql) => sql<{ behind: string | null; since: string | null; isOld: boolean }[]>`
      select history_behind::text as behind, created_at < clock_timestamp() - ${sealsEndWithin}::interval as "isOld",
        to_char(history_since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as since
      from auditbox.destination where name = ${destination}`,
  );
  if (state === undefined) return 'unknown';
  const { behind, since, isOld } = state;
  if (behind === null) return 'done';
  const { nextBehind } = await addHistory(db, { destination, behind, maxBatches, since });
  if (nextBehind === null && !isOld) return 'waiting';
  if (nextBehind === null) {
    const again = Math.max(0, Number(behind) - lastBatches);
    await addHistory(db, { destination, behind: String(again), maxBatches: 2 * lastBatches, since });
  }
  const moved = await db.query(
    (sql) => sql`
      update auditbox.destination set history_behind = ${nextBehind}::bigint
      -- Somebody may have asked for more since the state was read. This block then does not count.
      where name = ${destination} and history_behind = ${behind} and history_since is not distinct from ${since}::timestamptz
      returning name`,
  );
  return nextBehind === null && moved.length === 1 ? 'done' : 'added';
}

/**
 * How many batches a destination lacks from a time on, of those whose events are in the database; null if there is no such
 * destination.
 *
 * Caller: commands.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function countHistory(db: Database, name: string, since: string | null): Promise<number | null> {
  const [row] = await db.query(
    (sql) => sql<{ batches: number }[]>`
      with ${listMonths(sql)}
      select (
        select count(*)::int from auditbox.batch b
        where b.replay_for is null
          and (${since}::timestamptz is null or b.last_occurred_at >= ${since}::timestamptz) and ${isInMonth(sql)}
          and not exists (select from auditbox.delivery v where v.destination = d.name and v.batch_id = b.id)
      ) as batches
      from auditbox.destination d where d.name = ${name}`,
  );
  return row?.batches ?? null;
}

/**
 * Asks for history again: from a time on, or all of it. A history that is still being added never becomes shorter by it.
 * False if there is no such destination.
 *
 * Caller: commands.
 * Locks: the destination's row.
 * Crash: the history was asked for or not.
 */
export async function askForHistory(db: Database, name: string, since: string | null): Promise<boolean> {
  const rows = await db.query(
    (sql) => sql`
      update auditbox.destination set history_behind = 0,
        -- No time is all of it.
        history_since = case when history_behind is null then ${since}::timestamptz
          when history_since is null or ${since}::timestamptz is null then null
          else least(history_since, ${since}::timestamptz) end
      where name = ${name} returning name`,
  );
  return rows.length === 1;
}
