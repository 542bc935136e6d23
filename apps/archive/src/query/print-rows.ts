import { type CsvField, csvRow } from '@auditbox/core/text/csv-row.ts';
import { printable, printableLines } from '@auditbox/evidence/printable.ts';
import type { DuckDBResult, DuckDBValue } from '@duckdb/node-api';

/** `table`: columns for people. `json`: one object for each row, on a line. */
export type RowFormat = 'table' | 'json' | 'csv';

/** Prints rows as they come, in flat memory. Resolves to their number. */
export async function printRows(
  result: DuckDBResult,
  format: RowFormat,
  write: (text: string) => void,
): Promise<number> {
  const names = result.deduplicatedColumnNames();
  const numeric = result
    .columnTypes()
    .map((type) => /^(?:U?(?:TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DECIMAL\([\d,]+\))$/.test(String(type)));
  const print = printers[format](names, numeric);
  let rows = 0;
  for await (const chunk of result) {
    const values = chunk.getRows();
    if (values.length === 0) continue;
    write((rows === 0 ? print.head(values) : '') + values.map(print.row).join(''));
    rows += values.length;
  }
  if (rows === 0) write(print.head([]));
  return rows;
}

type Row = readonly DuckDBValue[];

interface Printer {
  readonly head: (first: readonly Row[]) => string;
  readonly row: (row: Row) => string;
}

const printers: Record<RowFormat, (names: readonly string[], numeric: readonly boolean[]) => Printer> = {
  csv: (names, numeric) => ({
    head: () => csvRow(names),
    row: (row) => csvRow(row.map((value, at) => toCell(value, numeric[at] === true))),
  }),
  json: (names, numeric) => ({
    head: () => '',
    row: (row) =>
      `{${row.map((value, at) => `${JSON.stringify(names[at])}:${toJson(value, numeric[at] === true)}`).join(',')}}\n`,
  }),
  table(given) {
    const names = given.map(printable);
    // The plan of EXPLAIN has lines. Elsewhere a line break in a value would look like another row.
    const show = names.includes('explain_value') ? printableLines : printable;
    const shown = (value: DuckDBValue | undefined) =>
      value === null || value === undefined ? '' : show(String(value));
    let widths: number[] = names.map(({ length }) => length);
    const line = (cells: readonly string[]) =>
      `${cells
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd()}\n`;
    return {
      head(first) {
        widths = widths.map((width, at) => Math.max(width, ...first.map((row) => shown(row[at]).length)));
        const rule = line(widths.map((width) => '-'.repeat(width)));
        return line(names) + rule + (first.length === 0 ? '(no rows)\n' : '');
      },
      row: (row) => line(row.map(shown)),
    };
  },
};

function toCell(value: DuckDBValue, isNumeric: boolean): CsvField {
  if (value === null) return null;
  const isNumber = isNumeric || (typeof value === 'number' && Number.isFinite(value));
  return isNumber ? { number: String(value) } : String(value);
}

/** Whole numbers and decimals keep all their digits. */
function toJson(value: DuckDBValue, isNumeric: boolean): string {
  if (value === null) return 'null';
  if (isNumeric) return String(value);
  if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return String(value);
  return JSON.stringify(String(value));
}
