import type { Fragment, Sql } from 'postgres';
import type { Database } from '../database/connect.ts';
import { eventJson } from '../sql/event-json.ts';
import type { EventFilter } from './event-filter.ts';
import { type EventOrder, type EventPosition, isAfter, orderBy, selectPosition } from './event-order.ts';
import { type Matching, matching } from './matching.ts';

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
  /** The events as JSON, in order. */
  readonly events: readonly string[];
  /** The position of the last event if more follow it, else null. */
  readonly next: EventPosition | null;
  /** The position of the last event; null if the page is empty. */
  readonly last: EventPosition | null;
  /** Null if it was not requested. If there are more than `countUpTo`, it is that number. */
  readonly total: { readonly count: number; readonly isExact: boolean } | null;
}

/**
 * A page of events and their total, by one statement, so that both are from one snapshot.
 *
 * Caller: `GET /audit` and the history of an object.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findEvents(db: Database, query: EventQuery): Promise<EventPage> {
  const { limit, countUpTo } = query;
  const rows = await db.query(
    (sql) => sql<{ total: string | null; json: string | null; position: string }[]>`${findStatement(sql, query)}`,
  );
  const found = rows.filter(({ json }) => json !== null);
  const total = rows[0]?.total ?? null;
  const lastRow = found[Math.min(found.length, limit) - 1];
  const last: EventPosition | null = lastRow ? JSON.parse(lastRow.position) : null;
  return {
    events: found.slice(0, limit).map(({ json }) => json as string),
    next: found.length > limit ? last : null,
    last,
    total: total === null ? null : limitCount(Number(total), countUpTo ?? 0),
  };
}

/** The statement of findEvents, exported so that tests can check its plan. */
export function findStatement(sql: Sql, query: EventQuery): Fragment {
  const { filter, order, after, offset, limit, countUpTo } = query;
  const match = matching(sql, filter);
  return sql`
    select counted.total, page.json, page.position
    from (select ${countUpTo === null ? sql`null` : countMatches(sql, match, countUpTo)} as total) counted
    left join (
      select row_number() over (order by ${orderBy(sql, order)}) as place,
        ${sql.unsafe(eventJson)} as json, ${selectPosition(sql, order)} as position
      from (
        select * from (${selectFirst(sql, match, order, after, offset + limit + 1)}) a
        order by ${orderBy(sql, order)} offset ${offset} limit ${limit + 1}
      ) a
    ) page on true
    order by page.place`;
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

function limitCount(count: number, most: number): { count: number; isExact: boolean } {
  return count > most ? { count: most, isExact: false } : { count, isExact: true };
}
