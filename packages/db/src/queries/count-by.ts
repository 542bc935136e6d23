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

function countStatement(sql: Sql, { filter, interval, zone, groupBy, maxGroups }: EventCountQuery): Fragment {
  const { common, branches } = matching(sql, filter);
  const anyBranch = branches.map((branch) => sql`(${branch})`).reduce((all, one) => sql`${all} or ${one}`);
  const group = groupBy === null ? sql`null::text` : sql`a.${sql(groupBy)}`;
  return sql`
    with counted as materialized (
      select date_trunc(${interval}, a.occurred_at, ${zone}) as starts_at, ${group} as name, count(*) as n
      from auditbox.audit_log a where ${common} and (${anyBranch})
      group by 1, 2
    ), largest as (
      select name from counted group by name order by sum(n) desc, name limit ${maxGroups}
    )
    select ${isoUtc(sql, 'starts_at')} as start, name as group, sum(n)::float8 as count
    from (select starts_at, n, case when name in (select name from largest) then name end as name from counted) named
    group by starts_at, name
    order by starts_at, name nulls last`;
}
