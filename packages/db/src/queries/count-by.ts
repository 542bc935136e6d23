import type { Fragment, Sql } from 'postgres';
import type { Database } from '../database/connect.ts';
import { isoUtc } from '../sql/iso-utc.ts';
import type { EventFilter } from './event-filter.ts';
import { matching } from './matching.ts';

/** Columns that events can be grouped by. */
export const groups = ['action', 'table_name', 'changed_by'] as const;

export interface EventCountQuery {
  readonly filter: EventFilter;
  readonly interval: 'minute' | 'hour' | 'day';
  /** Of the IANA time zone database. Minutes, hours and days begin by its clocks. */
  readonly zone: string;
  readonly groupBy: (typeof groups)[number] | null;
  /** This many groups, those with the most events, have their own counts. All other groups are counted together. */
  readonly maxGroups: number;
  /** These groups have their own counts, whatever their size. */
  readonly names?: readonly string[];
}

/** Events of a minute, hour or day; `start` is in UTC. `group` is null without groups, and for the groups that are counted together. */
export interface EventCount {
  readonly start: string;
  readonly group: string | null;
  readonly count: number;
}

/**
 * Caller: `GET /audit/stats`.
 * Locks: none. It reads an index over all events of the filter.
 * Crash: nothing is written.
 */
export async function countBy(db: Database, query: EventCountQuery): Promise<EventCount[]> {
  return db.query((sql) => sql<EventCount[]>`${countStatement(sql, query)}`);
}

/** All events of a group. */
export interface GroupCount {
  readonly name: string;
  readonly count: number;
}

/**
 * The largest groups, at most `limit` of them, in order: the largest one first, and of equal ones by the bytes of the name.
 *
 * Caller: `GET /audit/stats` with several cells.
 * Locks: none. It reads an index over all events of the filter.
 * Crash: nothing is written.
 */
export async function countGroups(
  db: Database,
  { filter, groupBy }: Pick<EventCountQuery, 'filter'> & { readonly groupBy: (typeof groups)[number] },
  limit: number,
): Promise<GroupCount[]> {
  return db.query((sql) => {
    return sql<GroupCount[]>`
      select a.${sql(groupBy)} as name, count(*)::float8 as count
      from auditbox.audit_log a where ${anyOf(sql, filter)}
      group by 1 order by 2 desc, 1 limit ${limit}`;
  });
}

/**
 * How many events each of these groups has. Groups without events are left out.
 *
 * Caller: `GET /audit/stats` with several cells.
 * Locks: none. It reads an index over all events of the filter.
 * Crash: nothing is written.
 */
export async function countNamedGroups(
  db: Database,
  { filter, groupBy }: Pick<EventCountQuery, 'filter'> & { readonly groupBy: (typeof groups)[number] },
  names: readonly string[],
): Promise<GroupCount[]> {
  return db.query((sql) => {
    return sql<GroupCount[]>`
      select a.${sql(groupBy)} as name, count(*)::float8 as count
      from auditbox.audit_log a where ${anyOf(sql, filter)}
        and a.${sql(groupBy)} in (select value from json_array_elements_text(${JSON.stringify(names)}::text::json))
      group by 1`;
  });
}

/** The condition of a filter as a whole. */
function anyOf(sql: Sql, filter: EventCountQuery['filter']): Fragment {
  const { common, branches } = matching(sql, filter);
  const anyBranch = branches.map((branch) => sql`(${branch})`).reduce((all, one) => sql`${all} or ${one}`);
  return sql`${common} and (${anyBranch})`;
}

function countStatement(sql: Sql, { filter, interval, zone, groupBy, maxGroups, names }: EventCountQuery): Fragment {
  const group = groupBy === null ? sql`null::text` : sql`a.${sql(groupBy)}`;
  return sql`
    with counted as materialized (
      select date_trunc(${interval}, a.occurred_at, ${zone}) as starts_at, ${group} as name, count(*) as n
      from auditbox.audit_log a where ${anyOf(sql, filter)}
      group by 1, 2
    ), largest as (${
      names === undefined
        ? sql`select name from counted group by name order by sum(n) desc, name limit ${maxGroups}`
        : sql`select value as name from json_array_elements_text(${JSON.stringify(names)}::text::json)`
    })
    select ${isoUtc(sql, 'starts_at')} as start, name as group, sum(n)::float8 as count
    from (select starts_at, n, case when name in (select name from largest) then name end as name from counted) named
    group by starts_at, name
    order by starts_at, name nulls last`;
}
