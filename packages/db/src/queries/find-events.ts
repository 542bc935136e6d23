import type { Fragment, Sql } from 'postgres';
import type { Database } from '../database/connect.ts';
import { eventJson } from '../sql/event-json.ts';
import type { EventFilter } from './event-filter.ts';
import type { EventOrder, EventPosition } from './event-order.ts';
import { type Matching, matching } from './matching.ts';
import { isBehind, orderBy, positionOf } from './order-sql.ts';

/** Which events to list, in which order, and which part of the list. */
export interface EventQuery {
  readonly filter: EventFilter;
  readonly order: EventOrder;
  /** Begin behind this event; null begins at the first. */
  readonly after: EventPosition | null;
  /** Then leave out so many. */
  readonly offset: number;
  readonly limit: number;
  /** Count all that match, up to this many; null does not count. */
  readonly countUpTo: number | null;
}

/** A part of a list, and how many events are in the whole list, both of the same moment. */
export interface EventPage {
  /** The events as JSON, in order. */
  readonly events: readonly string[];
  /** Where the last one stands, if more come behind it. */
  readonly next: EventPosition | null;
  /** Where the last one stands; null when there is none. */
  readonly last: EventPosition | null;
  /** Null when it was not asked for. When there are more than `countUpTo`, it is that number. */
  readonly total: { readonly count: number; readonly isExact: boolean } | null;
}

/**
 * Called by `GET /audit` and by the history of an object. One statement, so that the page and the total are of one
 * snapshot; takes no locks. The order is total, so that a page's place is the same each time.
 */
export async function findEvents(db: Database, query: EventQuery): Promise<EventPage> {
  const { limit, countUpTo } = query;
  const rows = await db.query(
    (sql) => sql<{ total: string | null; json: string | null; position: string }[]>`${findStatement(db.sql, query)}`,
  );
  const found = rows.filter(({ json }) => json !== null);
  const total = rows[0]?.total ?? null;
  const lastRow = found[Math.min(found.length, limit) - 1];
  const last: EventPosition | null = lastRow ? JSON.parse(lastRow.position) : null;
  return {
    events: found.slice(0, limit).map(({ json }) => json as string),
    next: found.length > limit ? last : null,
    last,
    total: total === null ? null : countedUpTo(Number(total), countUpTo ?? 0),
  };
}

/** The one statement of findEvents, so that its plan can be looked at too. */
export function findStatement(sql: Sql, query: EventQuery): Fragment {
  const { filter, order, after, offset, limit, countUpTo } = query;
  const match = matching(sql, filter);
  return sql`
    select counted.total, page.json, page.position
    from (select ${countUpTo === null ? sql`null` : countOf(sql, match, countUpTo)} as total) counted
    left join (
      select row_number() over (order by ${orderBy(sql, order)}) as place,
        ${sql.unsafe(eventJson)} as json, ${positionOf(sql, order)} as position
      from (
        select * from (${firstOf(sql, match, order, after, offset + limit + 1)}) a
        order by ${orderBy(sql, order)} offset ${offset} limit ${limit + 1}
      ) a
    ) page on true
    order by page.place`;
}

/** The first `count` matching rows, in order within each branch. */
export function firstOf(
  sql: Sql,
  { common, branches }: Matching,
  order: EventOrder,
  after: EventPosition | null,
  count: number,
): Fragment {
  const behind = after === null ? sql`true` : isBehind(sql, order, after);
  return branches
    .map(
      (branch) => sql`(
        select * from audit_log a where ${common} and ${branch} and ${behind}
        order by ${orderBy(sql, order)} limit ${count})`,
    )
    .reduce((all, one) => sql`${all} union all ${one}`);
}

function countOf(sql: Sql, { common, branches }: Matching, most: number): Fragment {
  const counts = branches.map(
    (branch) => sql`(
      select count(*) from (select from audit_log a where ${common} and ${branch} limit ${most + 1}) matched)`,
  );
  return counts.reduce((sum, count) => sql`${sum} + ${count}`);
}

function countedUpTo(count: number, most: number): { count: number; isExact: boolean } {
  return count > most ? { count: most, isExact: false } : { count, isExact: true };
}
