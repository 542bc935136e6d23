import type { Fragment, Sql } from 'postgres';
import { type EventOrder, type EventPosition, sortKeys, typeOf } from './event-order.ts';

/** The `order by` list of rows `a`. */
export function orderBy(sql: Sql, { by, direction }: EventOrder): Fragment {
  return sql.unsafe(sortKeys[by].map((column) => `a.${column} ${direction}`).join(', ')) as unknown as Fragment;
}

/** The position of row `a` as a JSON array of texts. Times have all digits, whatever the server's style. */
export function positionOf(sql: Sql, { by }: EventOrder): Fragment {
  const parts = sortKeys[by].map((column) =>
    typeOf(column) === 'timestamptz'
      ? `to_char(a.${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`
      : `a.${column}::text`,
  );
  return sql.unsafe(`json_build_array(${parts.join(', ')})::text`) as unknown as Fragment;
}

/**
 * That row `a` comes behind a position. The bound on the first column says nothing new; it is what lets the planner leave
 * out partitions, which a comparison of rows does not.
 */
export function isBehind(sql: Sql, { by, direction }: EventOrder, position: EventPosition): Fragment {
  const columns = sortKeys[by];
  const values = columns.map((column, index) => sql`${position[index] as string}::text::${sql.unsafe(typeOf(column))}`);
  const row = values.reduce((list, value) => sql`${list}, ${value}`);
  const than = sql.unsafe(direction === 'asc' ? '>' : '<');
  const names = sql.unsafe(columns.map((column) => `a.${column}`).join(', '));
  return sql`(${names}) ${than} (${row}) and a.${sql.unsafe(columns[0])} ${than}= ${values[0] as Fragment}`;
}
