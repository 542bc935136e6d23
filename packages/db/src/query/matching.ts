import type { Fragment, Sql } from 'postgres';
import type { EventFilter, ValueAt } from './event-filter.ts';
import { holdsWords, isIn, isValueAt, memberIs, startsWith } from './predicates.ts';

/** More branches than this cost more to plan than a sort does. */
const maxBranches = 12;

/**
 * What a filter means in SQL: row `a` matches if `common` holds and one of `branches`, of which never two hold. Each
 * branch can be read in the order of an index, so that the first page costs the same however much matches; `in` and
 * `or` would make Postgres read and sort all of it.
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
] as const;

export function matching(sql: Sql, filter: EventFilter): Matching {
  const conditions: Fragment[] = [];
  let branches: readonly Fragment[] = filter.anyId === undefined ? [sql`true`] : anyIdBranches(sql, filter.anyId);
  for (const [field, column] of texts) {
    if (filter[field] === undefined) continue;
    // One that is given twice would make two branches that hold for the same rows.
    const values = [...new Set(filter[field])];
    const [single] = values;
    if (values.length === 1 && single !== undefined) conditions.push(sql`a.${sql(column)} = ${single}`);
    else if (branches.length * values.length > maxBranches) conditions.push(isIn(sql, column, values));
    else branches = branches.flatMap((branch) => values.map((value) => sql`${branch} and a.${sql(column)} = ${value}`));
  }
  const { occurredFrom, occurredTo, recordedAfter, recordedBefore, changedByPrefix, teamId, keyHash, words } = filter;
  if (occurredFrom !== undefined) conditions.push(sql`a.occurred_at >= ${occurredFrom}::timestamptz`);
  if (occurredTo !== undefined) conditions.push(sql`a.occurred_at <= ${occurredTo}::timestamptz`);
  if (recordedAfter !== undefined) conditions.push(sql`a.recorded_at > ${recordedAfter}::timestamptz`);
  if (recordedBefore !== undefined) conditions.push(sql`a.recorded_at < ${recordedBefore}::timestamptz`);
  if (changedByPrefix !== undefined) conditions.push(startsWith(sql, 'changed_by', changedByPrefix));
  if (teamId !== undefined) conditions.push(memberIs(sql, 'team_id', teamId));
  if (keyHash !== undefined) conditions.push(memberIs(sql, 'token', keyHash));
  if (words !== undefined) conditions.push(holdsWords(sql, words));
  conditions.push(...(filter.values ?? []).map((value: ValueAt) => isValueAt(sql, value)));
  return { common: conditions.reduce((all, one) => sql`${all} and ${one}`, sql`true`), branches };
}

/** Each without what the ones before it have. */
function anyIdBranches(sql: Sql, id: string): Fragment[] {
  const columns = ['object_id', 'changed_by', 'changed_by_api_key'];
  const none = (names: readonly string[]) =>
    names.reduce((all, name) => sql`${all} and a.${sql(name)} <> ${id}`, sql`true`);
  return [
    ...columns.map((column, index) => sql`a.${sql(column)} = ${id} and ${none(columns.slice(0, index))}`),
    sql`(${memberIs(sql, 'team_id', id)} or ${memberIs(sql, 'token', id)}) and ${none(columns)}`,
  ];
}
