/** What a list can be sorted by, under its name on the wire, with the columns that make the order total. */
export const sortKeys = {
  updated_at: ['occurred_at', 'id'],
  recorded_at: ['recorded_at', 'id'],
  changed_by: ['changed_by', 'occurred_at', 'id'],
  changed_by_api_key: ['changed_by_api_key', 'occurred_at', 'id'],
  action: ['action', 'occurred_at', 'id'],
  table_name: ['table_name', 'occurred_at', 'id'],
  object_id: ['object_id', 'occurred_at', 'id'],
  id: ['id'],
} as const;

type Column = (typeof sortKeys)[keyof typeof sortKeys][number];

/** An order in which no two events are equal. An index of each partition has it. */
export interface EventOrder {
  readonly by: keyof typeof sortKeys;
  readonly direction: 'asc' | 'desc';
}

/** Where in its order an event stands: a text for each column of the sort key. */
export type EventPosition = readonly string[];

/** The type that a text of a position is read as. */
export function typeOf(column: Column): 'timestamptz' | 'uuid' | 'text' {
  if (column === 'id') return 'uuid';
  return column.endsWith('_at') ? 'timestamptz' : 'text';
}
