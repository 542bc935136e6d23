const formula = /^(?:[\t\r\n]|[\s\p{C}\p{Default_Ignorable_Code_Point}]*[=+\-@＝＋－＠])/u;

/** The CSV columns of an event, with the names and the order of the wire fields. */
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
  'recorded_by',
  'tenant',
  'redacted',
] as const;

/** The first line of a CSV file of events. */
export const csvHeader = csvRow(csvColumns);

/** A text, the digits of a number, or nothing. */
export type CsvField = string | { readonly number: string } | null;

/**
 * One line of CSV (RFC 4180) with its line break. Every text is quoted. Null is an empty cell without quotes, so that
 * readers such as Postgres can tell it from an empty text.
 *
 * A text that a spreadsheet could read as a formula gets an apostrophe in front. These are texts that begin with a tab or
 * a line break, or with = + - @ or their full-width forms, also after white space and invisible characters. So -5 becomes
 * '-5, and such a cell differs from the recorded text. NDJSON is the exact form.
 *
 * A number is written as it is: no spreadsheet runs it.
 *
 * No cell is safe in a program that splits at a character other than the comma.
 */
export function csvRow(fields: readonly CsvField[]): string {
  return `${fields.map(csvCell).join()}\r\n`;
}

function csvCell(text: CsvField): string {
  if (text === null) return '';
  if (typeof text !== 'string') return text.number;
  return `"${formula.test(text) ? "'" : ''}${text.replaceAll('"', '""')}"`;
}
