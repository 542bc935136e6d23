import type { Database } from '../database/connect.ts';
import { eventJson } from '../sql/event-json.ts';
import type { EventFilter } from './event-filter.ts';
import { matching } from './matching.ts';
import { firstPlace } from './outbox-place.ts';
import { estimatedBytes, type FoundEvent, inlineBytes, instant, maxPageBytes } from './page-bytes.ts';

/** The part of a feed that is wanted. */
export interface FeedQuery {
  readonly filter: EventFilter;
  /** Begin after this outbox id. */
  readonly after: bigint;
  /** End at this one: a safe id. */
  readonly upTo: bigint;
  readonly limit: number;
  /** The page ends where the statements have taken this many milliseconds: events of a megabyte take a thousand times longer. */
  readonly mostMs?: number;
}

/** An event of a feed, and its place there. */
export interface FeedEvent extends FoundEvent {
  readonly outboxId: string;
  /** ISO 8601 in UTC with microseconds. */
  readonly recordedAt: string;
}

/** Events in the order of their outbox ids. The page ends early where its events have `maxPageBytes` together. */
export interface FeedPage {
  readonly events: readonly FeedEvent[];
  /** The next page begins after this outbox id. */
  readonly last: bigint;
}

/** A page reads at most this many outbox rows, however few of them match. */
const maxScanned = 20_000;
/** Months that one statement may lock. */
const maxMonths = 12;

/**
 * A page of a feed. It is short, or empty, at the end of the feed and where few events match.
 *
 * Caller: `GET /audit` in the order of recording, on the primary and after the edge was read.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function readFeed(
  db: Database,
  { filter, after, upTo, limit, mostMs = 2_000 }: FeedQuery,
): Promise<FeedPage> {
  const until = performance.now() + mostMs;
  const events: FeedEvent[] = [];
  let bytes = 0;
  let last = after;
  // Most feeds have no filter or a wide one: the first step is often enough.
  for (let scanned = 0, rows = limit; scanned < maxScanned && events.length < limit; rows *= 8) {
    const step = await readStep(db, last, upTo, Math.min(rows, maxScanned - scanned));
    if (step.last === null) return { events, last: upTo > last ? upTo : last };
    const wanted = limit - events.length;
    const part = { filter, after: last, upTo: BigInt(step.last), limit: wanted, mostInline: inlineBytes - bytes };
    const found = (await Promise.all(groupMonths(step.months).map((span) => findIn(db, part, span))))
      .flat()
      .sort((a, b) => (BigInt(a.outboxId) < BigInt(b.outboxId) ? -1 : 1))
      .slice(0, wanted);
    for (const event of found) {
      if (events.length > 0 && bytes + event.bytes > maxPageBytes) return { events, last };
      events.push(event);
      bytes += event.bytes;
      last = BigInt(event.outboxId);
    }
    last = events.length === limit ? BigInt(found.at(-1)?.outboxId ?? step.last) : BigInt(step.last);
    if (performance.now() > until) break;
    scanned += step.rows;
  }
  return { events, last };
}

interface Step {
  readonly rows: number;
  /** The last outbox id; null if there is no row. */
  readonly last: string | null;
  /** The months of the events: `2026-07`, in order. */
  readonly months: readonly string[];
}

/** What the next rows of the outbox are, so that the next statement reads their months alone. */
async function readStep(db: Database, after: bigint, upTo: bigint, rows: number): Promise<Step> {
  const [row] = await db.query(
    (sql) => sql<[{ rows: number; last: string | null; months: string }]>`
      select count(*)::int as rows, max(id)::text as last,
        coalesce(json_agg(distinct to_char(occurred_at at time zone 'UTC', 'YYYY-MM')), '[]')::text as months
      from (
        select id, occurred_at from auditbox.outbox
        where id > ${String(after)}::bigint and id <= ${String(upTo)}::bigint
        order by id limit ${rows}
      ) step`,
  );
  return { ...row, months: JSON.parse(row.months) };
}

interface Span {
  /** The first instant of the first month, and of the month after the last one. */
  readonly from: string;
  readonly to: string;
}

/** The first matching events of the rows up to `upTo` whose event times are in the span. */
async function findIn(
  db: Database,
  { filter, after, upTo, limit, mostInline }: FeedQuery & { readonly mostInline: number },
  { from, to }: Span,
): Promise<readonly FeedEvent[]> {
  return db.query((sql) => {
    const { common, branches } = matching(sql, filter);
    const anyBranch = branches.map((branch) => sql`(${branch})`).reduce((all, one) => sql`${all} or ${one}`);
    return sql<FeedEvent[]>`
      select place::text as "outboxId", a.id::text, ${sql.unsafe(instant)} as at, bytes,
        to_char(a.recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as "recordedAt",
        case when place = first or so_far <= ${Math.max(0, mostInline)}::bigint then ${sql.unsafe(eventJson)} end as json
      from (
        select *, min(place) over () as first, sum(bytes) over (order by place) as so_far
        from (
          select a.*, o.id as place, ${sql.unsafe(estimatedBytes)} as bytes
          from (
            select id, audit_id, occurred_at from auditbox.outbox
            where id > ${String(after)}::bigint and id <= ${String(upTo)}::bigint
              and occurred_at >= ${from}::timestamptz and occurred_at < ${to}::timestamptz
            -- In this order and not by an index of the filter, so that the time is bounded by the rows of the step.
            order by id offset 0
          ) o
          cross join lateral (
            select * from auditbox.audit_log a
            where a.id = o.audit_id and a.occurred_at = o.occurred_at
              and a.occurred_at >= ${from}::timestamptz and a.occurred_at < ${to}::timestamptz
            limit 1
          ) a
          where ${common} and (${anyBranch})
          order by o.id limit ${limit}
        ) measured
      ) a
      order by place`;
  });
}

/** Spans of at most `maxMonths` that cover the months. */
function groupMonths(months: readonly string[]): Span[] {
  const groups: { first: number; last: number }[] = [];
  for (const number of months.map(countMonths)) {
    const group = groups.at(-1);
    if (group && number - group.first < maxMonths) group.last = number;
    else groups.push({ first: number, last: number });
  }
  return groups.map(({ first, last }) => ({ from: printMonth(first), to: printMonth(last + 1) }));
}

function countMonths(month: string): number {
  return Number(month.slice(0, 4)) * 12 + Number(month.slice(5)) - 1;
}

function printMonth(number: number): string {
  return new Date(Date.UTC(Math.floor(number / 12), number % 12, 1)).toISOString();
}

/** Clocks of a database may step back by this much without harm. */
const marginS = 60;

/**
 * An outbox id up to which no event was recorded after `time`, ISO 8601 in UTC, among the ids of a node; null is the only server. A
 * batch that was sealed at an earlier time holds only ids that were taken before, and so does every smaller id of the node.
 *
 * Caller: `GET /audit` with `recorded_after` and no cursor.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findFeedStart(db: Database, time: string, node: bigint | null): Promise<bigint> {
  const [row] = await db.query((sql) => {
    // Citus: the batch may hold ids of another node, and then those of an earlier batch count.
    const range = sql`int8multirange(int8range(${String(firstPlace(node))}::bigint, ${String(firstPlace((node ?? 0n) + 1n))}::bigint))`;
    const start =
      node === null
        ? sql`(select upper(outbox_ids) - 1 from auditbox.batch where id = max(low))`
        : sql`(
            select upper(b.outbox_ids * ${range}) - 1 from auditbox.batch b
            where b.id <= max(low) and b.outbox_ids && ${range} order by b.id desc limit 1
          )`;
    return sql<[{ last: string | null }]>`
      -- By halves, because no index has sealed_at. sealed_at of \`low\` is early, and \`high\` has no such batch before it.
      with recursive search (low, high) as (
        select 0::bigint, coalesce((select max(id) from auditbox.batch), 0) + 1
        union all
        select case when probe.is_early then probe.id else s.low end,
          case when probe.is_early then s.high else s.low + (s.high - s.low) / 2 end
        from search s
        cross join lateral (
          select min(b.id) as id,
            coalesce(bool_and(b.sealed_at < ${time}::timestamptz - ${marginS} * interval '1 second'), false) as is_early
          from (
            select id, sealed_at from auditbox.batch
            where id >= s.low + (s.high - s.low) / 2 and id > s.low and id < s.high order by id limit 1
          ) b
        ) probe
        where s.high - s.low > 1
      )
      select ${start}::text as last from search`;
  });
  return row.last === null ? firstPlace(node) : BigInt(row.last);
}
