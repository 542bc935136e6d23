import type { Fragment, Sql } from 'postgres';

/** Sort keys under their names on the wire, each with the columns that make the order total. */
export const sortKeys = {
  updated_at: ['occurred_at', 'id'],
  recorded_at: ['recorded_at', 'id'],
  changed_by: ['changed_by', 'occurred_at', 'id'],
  changed_by_api_key: ['changed_by_api_key', 'occurred_at', 'id'],
  action: ['action', 'occurred_at', 'id'],
  table_name: ['table_name', 'occurred_at', 'id'],
  object_id: ['object_id', 'occurred_at', 'id'],
  recorded_by: ['recorded_by', 'occurred_at', 'id'],
  id: ['id'],
} as const;

type Column = (typeof sortKeys)[keyof typeof sortKeys][number];

/** An order in which no two events are equal. An index of each month has it. */
export interface EventOrder {
  readonly by: keyof typeof sortKeys;
  readonly direction: 'asc' | 'desc';
}

/** An event's place in its order: a text for each column of the sort key. */
export type EventPosition = readonly string[];

/** The type that a text of a position is cast to. */
export function columnType(column: Column): 'timestamptz' | 'uuid' | 'text' {
  if (column === 'id') return 'uuid';
  return column.endsWith('_at') ? 'timestamptz' : 'text';
}

/* The same in SQL, for rows `a` of audit_log. */

/** The `order by` list. */
export function orderBy(sql: Sql, { by, direction }: EventOrder): Fragment {
  return sql.unsafe(sortKeys[by].map((column) => `a.${column} ${direction}`).join(', ')) as unknown as Fragment;
}

/** The row's position as a JSON array of texts. Times have all digits, whatever the server's style. */
export function selectPosition(sql: Sql, { by }: EventOrder): Fragment {
  const parts = sortKeys[by].map((column) =>
    columnType(column) === 'timestamptz'
      ? `to_char(a.${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`
      : `a.${column}::text`,
  );
  return sql.unsafe(`json_build_array(${parts.join(', ')})::text`) as unknown as Fragment;
}

/** The same, joined by hand: for each row of an export that costs a third. */
export function printPosition(sql: Sql, { by }: EventOrder): Fragment {
  const parts = sortKeys[by].map((column) => {
    if (columnType(column) === 'timestamptz')
      return `'"' || to_char(a.${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '"'`;
    return columnType(column) === 'uuid' ? `'"' || a.${column}::text || '"'` : `to_json(a.${column})::text`;
  });
  return sql.unsafe(`'[' || ${parts.join(` || ',' || `)} || ']'`) as unknown as Fragment;
}

/** Whether the row comes after a position. */
export function isAfter(sql: Sql, { by, direction }: EventOrder, position: EventPosition): Fragment {
  const columns = sortKeys[by];
  const values = columns.map(
    (column, index) => sql`${position[index] as string}::text::${sql.unsafe(columnType(column))}`,
  );
  const row = values.reduce((list, value) => sql`${list}, ${value}`);
  const than = sql.unsafe(direction === 'asc' ? '>' : '<');
  const names = sql.unsafe(columns.map((column) => `a.${column}`).join(', '));
  // The second condition follows from the first. The planner needs it to leave out months: it cannot do that from a
  // comparison of rows.
  return sql`(${names}) ${than} (${row}) and a.${sql.unsafe(columns[0])} ${than}= ${values[0] as Fragment}`;
}
