import type { Database } from '../database/connect.ts';
import { isInMonth, listMonths } from './batches-of-months.ts';

/** Which deliveries of a destination to send again. */
export interface ReplayRange {
  readonly destination: string;
  /** Batches with events at or after this time; null does not bound. */
  readonly occurredFrom: string | null;
  readonly occurredTo: string | null;
}

/** What a range holds. */
export interface ReplayCount {
  readonly batches: number;
  readonly rows: number;
}

/**
 * Done deliveries by requests whose batches have events in a range. Events of a dropped month cannot be sent again.
 *
 * Caller: the command that replays, before it does so.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function countReplayable(
  db: Database,
  { destination, occurredFrom, occurredTo }: ReplayRange,
): Promise<ReplayCount> {
  const [row] = await db.query(
    (sql) => sql<[ReplayCount]>`
      with ${listMonths(sql)}
      select count(*)::int as batches, coalesce(sum(b.row_count), 0)::float8 as rows
      from auditbox.delivery d join auditbox.batch b on b.id = d.batch_id
      where d.destination = ${destination} and d.state = 'done' and d.sent_as is not null and ${isInMonth(sql)}
        and (${occurredFrom}::timestamptz is null or b.last_occurred_at >= ${occurredFrom}::timestamptz)
        and (${occurredTo}::timestamptz is null or b.first_occurred_at <= ${occurredTo}::timestamptz)`,
  );
  return row;
}

/**
 * `done → sealed`, from the first row on: the deliveries of a range are sent again, with the keys and bytes that they had.
 * Rows that were rejected in them are tried again. Returns what changed; the caller repeats it until nothing
 * did. `doneBefore` keeps deliveries out that were sent again since the caller began.
 *
 * Caller: the command that replays.
 * Locks: those deliveries, the destination's row. Waits for a month that is being dropped, and the drop of a month waits for it.
 * Crash: any exporter goes on with what was replayed; the call can be repeated.
 */
export async function replayDeliveries(
  db: Database,
  { destination, occurredFrom, occurredTo }: ReplayRange,
  doneBefore: string,
  maxDeliveries: number,
): Promise<ReplayCount> {
  const [row] = await db.query(
    (sql) => sql<[ReplayCount]>`
      with held as (
        -- Changes nothing. Its lock keeps a month from being dropped between the list of months and the commit.
        update auditbox.destination set history_since = history_since where name = ${destination} returning name
      ), ${listMonths(sql)}, chosen as materialized (
        select d.batch_id, b.row_count
        from held join auditbox.delivery d on d.destination = held.name join auditbox.batch b on b.id = d.batch_id
        where d.state = 'done' and d.sent_as is not null and ${isInMonth(sql)}
          and d.done_at < ${doneBefore}::timestamptz
          and (${occurredFrom}::timestamptz is null or b.last_occurred_at >= ${occurredFrom}::timestamptz)
          and (${occurredTo}::timestamptz is null or b.first_occurred_at <= ${occurredTo}::timestamptz)
        order by d.batch_id
        limit ${maxDeliveries}
      ), resealed as (
        update auditbox.delivery d
        set state = 'sealed', next_row = 0, done_at = null, attempts = 0, next_attempt_at = statement_timestamp()
        from chosen
        where d.destination = ${destination} and d.batch_id = chosen.batch_id and d.state = 'done'
        returning d.batch_id, chosen.row_count
      ), taken_back as (
        delete from auditbox.rejection r
        where r.destination = ${destination} and r.replayed_in is null
          and r.batch_id = any (array(select batch_id from chosen))
          -- A rejection goes only once its delivery is sent again from its first row, so the update comes first.
          and (select count(*) from resealed) >= 0
        returning 1
      )
      select count(*)::int + 0 * (select count(*) from taken_back)::int as batches,
        coalesce(sum(row_count), 0)::float8 as rows
      from resealed`,
  );
  return row;
}
