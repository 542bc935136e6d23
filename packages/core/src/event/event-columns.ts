import { objectMembers } from '../json/json-text.ts';

/*
 * An event as columns of text, so that nothing is rounded or printed again: DuckDB's own reader of JSON turns 100.00 into
 * 100.0, cuts digits behind the sixteenth, and loses the quotes of a value that is a text.
 */

interface Column {
  readonly name: string;
  /** `json`: the text of the value as it stands in the line. */
  readonly kind: 'text' | 'json';
  /** Only in lines of events that have it. */
  readonly isOptional?: true;
}

/** The members of a line, in their order. */
export const eventColumns = [
  { name: 'id', kind: 'text' },
  { name: 'updated_at', kind: 'text' },
  { name: 'changed_by', kind: 'text' },
  { name: 'changed_by_api_key', kind: 'text' },
  { name: 'action', kind: 'text' },
  { name: 'table_name', kind: 'text' },
  { name: 'object_id', kind: 'text' },
  { name: 'before_value', kind: 'json' },
  { name: 'updated_values', kind: 'json' },
  { name: 'context', kind: 'json' },
  { name: 'recorded_at', kind: 'text' },
  { name: 'recorded_by', kind: 'text' },
  { name: 'tenant', kind: 'text', isOptional: true },
  { name: 'redacted', kind: 'json', isOptional: true },
] as const satisfies readonly Column[];

export type EventColumn = (typeof eventColumns)[number]['name'];

/** The values of a line in the order of `eventColumns`. Null for a member that is null or missing. */
export type EventRow = readonly (string | null)[];

const places: ReadonlyMap<string, number> = new Map(eventColumns.map(({ name }, place) => [name, place]));

/** A value of a row. */
export function columnOf(row: EventRow, name: EventColumn): string | null {
  return row[places.get(name) as number] ?? null;
}

/** Throws a SyntaxError when a member that must be a text is not one. */
export function toRow(line: string): (string | null)[] {
  const row = new Array<string | null>(eventColumns.length).fill(null);
  for (const { name, value } of objectMembers(line)) {
    const place = places.get(name);
    if (place === undefined) continue;
    const text = line.slice(value.start, value.end);
    if (text === 'null') continue;
    row[place] = eventColumns[place]?.kind === 'text' ? readText(text) : text;
  }
  return row;
}

/** The line of a row: the bytes that the exporter wrote, if every member is one of `eventColumns`. */
export function toLine(row: EventRow): string {
  const members: string[] = [];
  for (const [place, { name, kind, ...column }] of eventColumns.entries()) {
    const value = row[place] ?? null;
    if (value === null && 'isOptional' in column) continue;
    members.push(`"${name}":${value === null ? 'null' : kind === 'text' ? JSON.stringify(value) : value}`);
  }
  return `{${members.join(',')}}`;
}

function readText(json: string): string {
  if (!json.startsWith('"')) throw new SyntaxError('A member is not a text.');
  if (!json.includes('\\')) return json.slice(1, -1);
  const text: string = JSON.parse(json);
  // Postgres cannot store it, so no exporter has written it. Bytes of UTF-8 cannot hold it either.
  if (!text.isWellFormed()) throw new SyntaxError('A text has one half of a surrogate pair.');
  return text;
}
