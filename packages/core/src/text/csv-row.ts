const formula = /^(?:[\t\r\n]|[\s\p{C}]*[=+\-@＝＋－＠])/u;

/** The columns of an event's CSV form, named and ordered as the fields on the wire. */
export const csvColumns = [
  'id',
  'updated_at',
  'changed_by',
  'changed_by_api_key',
  'action',
  'table_name',
  'object_id',
  'before_value',
  'updated_values',
  'context',
  'recorded_at',
] as const;

/** The first line of a CSV file of events. */
export const csvHeader = csvRow(csvColumns);

/**
 * One line of CSV (RFC 4180) with its line break. Every text is quoted; null is an empty cell without quotes, which tells
 * it from an empty text where a reader cares, as Postgres does.
 *
 * A text that a spreadsheet could take for a formula gets an apostrophe in front: those that begin with = + - @ or their
 * full-width forms, also behind white space and characters that nobody sees, and those that begin with a tab or line
 * break. So -5 becomes '-5, and such cells are not what was recorded. NDJSON is the exact form.
 *
 * No cell is safe in a program that is told to split at another character than the comma.
 */
export function csvRow(fields: readonly (string | null)[]): string {
  return `${fields.map(csvCell).join()}\r\n`;
}

function csvCell(text: string | null): string {
  if (text === null) return '';
  return `"${formula.test(text) ? "'" : ''}${text.replaceAll('"', '""')}"`;
}
