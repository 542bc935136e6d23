import type { Fragment, Sql } from 'postgres';
import type { Database } from '../database/connect.ts';
import { eventJson } from '../sql/event-json.ts';
import type { EventFilter } from './event-filter.ts';
import { type EventOrder, type EventPosition, isAfter, orderBy, selectPosition } from './event-order.ts';
import { type Matching, matching } from './matching.ts';
import { estimatedBytes, type FoundEvent, inlineBytes, instant, maxPageBytes } from './page-bytes.ts';
import { listWindows, runWide, within } from './windows.ts';

/** The filter, the order, and the part of the list that is wanted. */
export interface EventQuery {
  readonly filter: EventFilter;
  readonly order: EventOrder;
  /** Begin after this event; null begins at the first. */
  readonly after: EventPosition | null;
  /** Then skip this many events. */
  readonly offset: number;
  readonly limit: number;
  /** Count all that match, up to this many; null does not count. */
  readonly countUpTo: number | null;
}

/** A part of a list, and how many events the whole list has, both from one snapshot. */
export interface EventPage {
  /** In order. The page ends early where its events have `maxPageBytes` together, but it has at least one. */
  readonly events: readonly PositionedEvent[];
  /** The position of the last event if more follow it, else null. */
  readonly next: EventPosition | null;
  /** The position of the last event; null if the page is empty. */
  readonly last: EventPosition | null;
  /** Null if it was not requested. If there are more than `countUpTo`, it is that number. */
  readonly total: { readonly count: number; readonly isExact: boolean } | null;
}

export interface PositionedEvent extends FoundEvent {
  readonly position: EventPosition;
}

/**
 * A page of events and their total. With few months both are from one snapshot; with many, each year has its own.
 *
 * Caller: `GET /audit` and the history of an object.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findEvents(db: Database, query: EventQuery): Promise<EventPage> {
  const windows = await listWindows(db, query.filter, query.order, query.after);
  if (windows === null) return toPage(await runWide(() => readRows(db, query)), query);
  const rows: Row[] = [];
  let count = 0;
  for (const window of windows) {
    // One more than the page has: it tells whether more follow. Then only the count is left.
    const limit = query.limit - rows.length;
    const countUpTo = query.countUpTo === null ? null : query.countUpTo - count;
    const offset = rows.length > 0 ? 0 : Math.max(0, query.offset - count);
    const inWindow = { ...query, filter: within(query.filter, window), limit, offset, countUpTo };
    const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
    const part = await readRows(db, inWindow, Math.max(0, inlineBytes - bytes));
    rows.push(...part.rows);
    count += part.count;
    const isCounted = query.countUpTo === null || count > query.countUpTo;
    if (rows.length > query.limit && isCounted) break;
  }
  return toPage({ rows, count }, query);
}

interface Row extends FoundEvent {
  readonly position: string;
}

interface Rows {
  readonly rows: readonly Row[];
  /** 0 if nothing was counted. */
  readonly count: number;
}

/** Up to one row more than the limit. The first `mostInline` bytes of events come with their JSON. */
async function readRows(db: Database, query: EventQuery, mostInline = inlineBytes): Promise<Rows> {
  const rows = await db.query(
    (sql) => sql<({ total: string | null } & { [K in keyof Row]: Row[K] | null })[]>`
      ${findStatement(sql, query, mostInline)}`,
  );
  const found = rows.filter(({ id }) => id !== null) as unknown as Row[];
  return { rows: found, count: Number(rows[0]?.total ?? 0) };
}

function toPage({ rows, count }: Rows, { limit, countUpTo }: EventQuery): EventPage {
  const events = takeWhileSmall(rows, limit).map((row) => ({ ...row, position: JSON.parse(row.position) }));
  const last = events.at(-1)?.position ?? null;
  return {
    events,
    next: rows.length > events.length ? last : null,
    last,
    total: countUpTo === null ? null : limitCount(count, countUpTo),
  };
}

/** The first rows, up to `limit` of them and up to the size of a page. */
export function takeWhileSmall<T extends { readonly bytes: number }>(rows: readonly T[], limit: number): T[] {
  const taken: T[] = [];
  let bytes = 0;
  for (const row of rows) {
    if (taken.length >= limit || (taken.length > 0 && bytes + row.bytes > maxPageBytes)) break;
    taken.push(row);
    bytes += row.bytes;
  }
  return taken;
}

/** The statement of findEvents, exported so that tests can check its plan. */
export function findStatement(sql: Sql, query: EventQuery, mostInline = inlineBytes): Fragment {
  const { filter, order, after, offset, limit, countUpTo } = query;
  const match = matching(sql, filter);
  return sql`
    select counted.total, a.id::text, ${sql.unsafe(instant)} as at, ${selectPosition(sql, order)} as position, a.bytes,
      -- Only what is sent is rendered. The last row only tells that more follow.
      case when a.place = 1 or a.place <= ${limit} and a.bytes_so_far <= ${mostInline}::bigint then ${sql.unsafe(eventJson)} end as json
    from (select ${countUpTo === null ? sql`null` : countMatches(sql, match, countUpTo)} as total) counted
    left join (
      select *, row_number() over in_order as place, sum(bytes) over in_order as bytes_so_far
      from (
        select *, ${sql.unsafe(estimatedBytes)} as bytes
        from (
          select * from (${selectFirst(sql, match, order, after, offset + limit + 1)}) a
          order by ${orderBy(sql, order)} offset ${offset} limit ${limit + 1}
        ) a
      ) a
      window in_order as (order by ${orderBy(sql, order)})
    ) a on true
    order by a.place`;
}

/** The first `count` matching rows, in order within each branch. */
export function selectFirst(
  sql: Sql,
  { common, branches }: Matching,
  order: EventOrder,
  after: EventPosition | null,
  count: number,
): Fragment {
  const isNext = after === null ? sql`true` : isAfter(sql, order, after);
  return branches
    .map(
      (branch) => sql`(
        select * from auditbox.audit_log a where ${common} and ${branch} and ${isNext}
        order by ${orderBy(sql, order)} limit ${count})`,
    )
    .reduce((all, one) => sql`${all} union all ${one}`);
}

function countMatches(sql: Sql, { common, branches }: Matching, most: number): Fragment {
  const counts = branches.map(
    (branch) => sql`(
      select count(*) from (select from auditbox.audit_log a where ${common} and ${branch} limit ${most + 1}) matched)`,
  );
  return counts.reduce((sum, count) => sql`${sum} + ${count}`);
}

export function limitCount(count: number, most: number): { count: number; isExact: boolean } {
  return count > most ? { count: most, isExact: false } : { count, isExact: true };
}
