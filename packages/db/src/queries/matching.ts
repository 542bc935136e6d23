import type { Fragment, Sql } from 'postgres';
import type { EventFilter, ValueAt } from './event-filter.ts';
import { holdsWords, isIn, isInAnyCase, isValueAt, startsWith, waysToHave } from './predicates.ts';

/** Planning more branches than this costs more than a sort. */
const maxBranches = 12;

/**
 * A filter in SQL: row `a` matches if `common` holds and one of `branches` holds. Two branches never hold for the same row.
 * Each branch can be read in the order of an index, so the first page costs the same however many rows match. With `in` and
 * `or` Postgres would read and sort all of them.
 */
export interface Matching {
  readonly common: Fragment;
  readonly branches: readonly Fragment[];
}

const texts = [
  ['changedBy', 'changed_by'],
  ['changedByApiKey', 'changed_by_api_key'],
  ['action', 'action'],
  ['tableName', 'table_name'],
  ['objectId', 'object_id'],
  ['recordedBy', 'recorded_by'],
] as const;

export function matching(sql: Sql, filter: EventFilter): Matching {
  const conditions: Fragment[] = [];
  let branches: readonly Fragment[] = filter.anyId === undefined ? [sql`true`] : anyIdBranches(sql, filter.anyId);
  const members = [
    ['team_id', filter.teamId],
    ['key_hash', filter.keyHash],
  ] as const;
  for (const [column, value] of members) {
    if (value === undefined) continue;
    const ways = waysToHave(sql, column, value);
    if (branches.length * ways.length > maxBranches) conditions.push(anyOf(sql, ways));
    else branches = branches.flatMap((branch) => ways.map((way) => sql`${branch} and ${way}`));
  }
  for (const [field, column] of texts) {
    if (filter[field] === undefined) continue;
    // A value that is given twice would make two branches that hold for the same rows.
    const values = [...new Set(filter[field])];
    const [single] = values;
    if (values.length === 1 && single !== undefined) conditions.push(sql`a.${sql(column)} = ${single}`);
    else if (branches.length * values.length > maxBranches) conditions.push(isIn(sql, column, values));
    else branches = branches.flatMap((branch) => values.map((value) => sql`${branch} and a.${sql(column)} = ${value}`));
  }
  if (filter.tenant.kind === 'one') conditions.push(sql`a.tenant = ${filter.tenant.tenant}`);
  const { occurredFrom, occurredTo, occurredBefore, recordedAfter, changedByPrefix, changedByAnyCase, words } = filter;
  if (occurredFrom !== undefined) conditions.push(sql`a.occurred_at >= ${occurredFrom}::timestamptz`);
  if (occurredTo !== undefined) conditions.push(sql`a.occurred_at <= ${occurredTo}::timestamptz`);
  if (occurredBefore !== undefined) conditions.push(sql`a.occurred_at < ${occurredBefore}::timestamptz`);
  if (recordedAfter !== undefined) conditions.push(sql`a.recorded_at > ${recordedAfter}::timestamptz`);
  if (changedByPrefix !== undefined) conditions.push(startsWith(sql, 'changed_by', changedByPrefix));
  if (changedByAnyCase !== undefined) conditions.push(isInAnyCase(sql, 'changed_by', changedByAnyCase));
  if (words !== undefined) conditions.push(holdsWords(sql, words));
  conditions.push(...(filter.values ?? []).map((value: ValueAt) => isValueAt(sql, value)));
  return { common: conditions.reduce((all, one) => sql`${all} and ${one}`, sql`true`), branches };
}

function anyOf(sql: Sql, conditions: readonly Fragment[]): Fragment {
  return sql`(${conditions.map((one) => sql`(${one})`).reduce((all, one) => sql`${all} or ${one}`)})`;
}

/** Each branch excludes the rows of the branches before it. */
function anyIdBranches(sql: Sql, id: string): Fragment[] {
  const columns = ['object_id', 'changed_by', 'changed_by_api_key'];
  const ways = [
    ...columns.map((column) => sql`a.${sql(column)} = ${id}`),
    ...waysToHave(sql, 'team_id', id),
    ...waysToHave(sql, 'key_hash', id),
  ];
  return ways.map((way, index) => (index === 0 ? way : sql`${way} and ${isFirst(sql, ways.slice(0, index))}`));
}

/**
 * Whether none of these conditions holds. The planner looks at conditions that are joined by `and` one by one, for each index of
 * each month; a `case` is one value to it, which it plans in half of the time.
 */
function isFirst(sql: Sql, before: readonly Fragment[]): Fragment {
  const earlier = before.map((way) => sql`when ${way} then false`).reduce((all, one) => sql`${all} ${one}`);
  return sql`case ${earlier} else true end`;
}
