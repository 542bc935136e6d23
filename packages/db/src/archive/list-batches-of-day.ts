import type { Database } from '../database/connect.ts';
import { isoUtc } from '../sql/iso-utc.ts';
import { type ArchivedBatch, type MaybeObject, toObject } from './list-archived-batches.ts';

/** A batch, and when its first event happened: ISO 8601 in UTC with six fraction digits. */
export interface TimedBatch extends ArchivedBatch {
  readonly firstOccurredAt: string;
}

/** A range of event time, both ends included; ISO 8601 in UTC with six fraction digits. */
export interface EventTimes {
  readonly from: string;
  readonly to: string;
}

/**
 * The first UTC day of a range that has batches, such as `2026-07-03`; null if none is left.
 *
 * Caller: histories of the api with `archive=true`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findArchivedDay(
  db: Database,
  destination: string,
  { from, to }: EventTimes,
): Promise<string | null> {
  const [row] = await db.query(
    (sql) => sql<{ day: string }[]>`
      select left(b.partition, 10) as day
      from auditbox.batch b
      join auditbox.delivery d on d.destination = ${destination} and d.batch_id = b.id
      where b.partition collate "C" >= ${from.slice(0, 10)} and b.partition collate "C" <= ${to.slice(0, 13)}
        and b.first_occurred_at <= ${to}::timestamptz and b.last_occurred_at >= ${from}::timestamptz
      order by b.partition collate "C", b.id
      limit 1`,
  );
  return row?.day ?? null;
}

export interface DayQuery {
  readonly destination: string;
  readonly day: string;
  readonly times: EventTimes;
  /** Begin behind this batch; null begins at the first. */
  readonly after: Pick<TimedBatch, 'firstOccurredAt' | 'batchId'> | null;
  readonly limit: number;
}

/**
 * The next batches of a UTC day that may have events of a range, by the time of their first event. No later batch of the list
 * has an event before that time, so events of several objects can be put in order while the objects are read one by one.
 *
 * Caller: histories of the api with `archive=true`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listBatchesOfDay(
  db: Database,
  { destination, day, times, after, limit }: DayQuery,
): Promise<TimedBatch[]> {
  const rows = await db.query((sql) => {
    const isNext =
      after === null
        ? sql`true`
        : sql`(b.first_occurred_at, b.id) > (${after.firstOccurredAt}::timestamptz, ${after.batchId}::bigint)`;
    return sql<(Omit<TimedBatch, 'object'> & MaybeObject)[]>`
      select b.partition, b.id::text as "batchId", ${isoUtc(sql, 'b.first_occurred_at')} as "firstOccurredAt",
        case d.state when 'done' then d.object_key end as key, case d.state when 'done' then d.sha256 end as sha256,
        ${isoUtc(sql, 'd.done_at')} as "doneAt"
      from auditbox.batch b
      join auditbox.delivery d on d.destination = ${destination} and d.batch_id = b.id
      -- The day, or its hours.
      where b.partition collate "C" >= ${day} and b.partition collate "C" <= ${`${day}T99`}
        and b.first_occurred_at <= ${times.to}::timestamptz and b.last_occurred_at >= ${times.from}::timestamptz
        and ${isNext}
      order by b.first_occurred_at, b.id
      limit ${limit}`;
  });
  return rows.map(({ key, sha256, doneAt, ...batch }) => ({ ...batch, object: toObject({ key, sha256, doneAt }) }));
}
