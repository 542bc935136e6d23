import { type CsvField, csvRow } from '@auditbox/core/text/csv-row.ts';
import { printable, printableLines } from '@auditbox/evidence/printable.ts';
import type { DuckDBResult, DuckDBValue } from '@duckdb/node-api';
import { type Row, readRows } from '../duckdb/read-rows.ts';
import type { Write } from '../write-to.ts';

/** `table`: columns for people. `json`: one object for each row, on a line. */
export type RowFormat = 'table' | 'json' | 'csv';

/** Prints rows as they come, in flat memory. Resolves to their number. */
export async function printRows(result: DuckDBResult, format: RowFormat, write: Write): Promise<number> {
  const names = result.deduplicatedColumnNames();
  const numeric = result
    .columnTypes()
    .map((type) => /^(?:U?(?:TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DECIMAL\([\d,]+\))$/.test(String(type)));
  const print = printers[format](names, numeric);
  let rows = 0;
  for await (const chunk of result) {
    if (chunk.rowCount === 0) continue;
    if (rows === 0) await write(print.head(readRows(chunk)));
    // In pieces: a text has 512 MiB at most, and two thousand events may have gigabytes.
    let text = '';
    for (const row of readRows(chunk)) {
      text += print.row(row);
      if (text.length < writtenAtOnce) continue;
      await write(text);
      text = '';
    }
    await write(text);
    rows += chunk.rowCount;
  }
  if (rows === 0) await write(print.head([]));
  return rows;
}

/** Characters. */
const writtenAtOnce = 1024 * 1024;

interface Printer {
  readonly head: (first: Iterable<Row>) => string;
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
        let isEmpty = true;
        for (const row of first) {
          isEmpty = false;
          widths = widths.map((width, at) => Math.max(width, shown(row[at]).length));
        }
        const rule = line(widths.map((width) => '-'.repeat(width)));
        return line(names) + rule + (isEmpty ? '(no rows)\n' : '');
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
