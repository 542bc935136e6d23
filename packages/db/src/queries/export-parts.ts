import { csvRow } from '@auditbox/core/text/csv-row.ts';
import type { Fragment } from 'postgres';
import { collectChunks } from '../database/collect-chunks.ts';
import type { Database } from '../database/connect.ts';
import { copyRows } from '../database/copy-rows.ts';
import { asCells, asLines, type LineRow, lastColumn, readCells, readLine } from '../sql/copied-lines.ts';
import { eventJson, eventTime } from '../sql/event-json.ts';
import { literalSql, printLiteral } from '../sql/literal-sql.ts';
import type { EventFilter } from './event-filter.ts';
import { type EventOrder, type EventPosition, orderBy, printPosition } from './event-order.ts';
import { selectFirst } from './find-events.ts';
import { matching } from './matching.ts';
import { listWindows, runWide, within } from './windows.ts';

/** The next part of an export. */
export interface ExportPart {
  readonly filter: EventFilter;
  readonly order: EventOrder;
  readonly after: EventPosition | null;
  readonly maxRows: number;
  /** The part ends with the row that reaches this many bytes. */
  readonly maxBytes: number;
}

export interface ExportedPart {
  readonly rows: number;
  readonly bytes: number;
  readonly chunks: readonly Buffer[];
  /** The position of the last event; null if the part is empty. */
  readonly last: EventPosition | null;
}

/**
 * The next events of an export as lines of NDJSON, made by the server. Aborting `signal` cancels the statement.
 *
 * Caller: `GET /audit/export`, once for each part.
 * Locks: none.
 * Crash: nothing is written.
 */
export function exportLines(db: Database, part: ExportPart, signal: AbortSignal): Promise<ExportedPart> {
  return readInWindows(db, part, async (inWindow) => {
    return copyPart(db, forms.ndjson, inWindow, signal);
  });
}

/**
 * The next events of an export as CSV, with the columns of core's `csvColumns`. Aborting `signal` cancels the statement.
 *
 * Caller: `GET /audit/export`, once for each part.
 * Locks: none.
 * Crash: nothing is written.
 */
export function exportCsv(db: Database, part: ExportPart, signal: AbortSignal): Promise<ExportedPart> {
  return readInWindows(db, part, async (inWindow) => {
    return copyPart(db, forms.csv, inWindow, signal);
  });
}

/** A row of an export: a line of NDJSON or of CSV, and its place in the order. */
export interface ExportedRow {
  readonly position: EventPosition;
  readonly text: Buffer;
}

/**
 * The next events of an export, row by row, to be merged with those of other cells. Empty at the end. Aborting `signal`
 * cancels the statement.
 *
 * Caller: `GET /audit/export` with several cells, once for each part of a cell.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function exportRows(
  db: Database,
  format: 'ndjson' | 'csv',
  part: ExportPart,
  signal: AbortSignal,
): Promise<readonly ExportedRow[]> {
  const form = forms[format];
  const { rows } = await readInWindows(db, part, async (inWindow) => {
    const found: ExportedRow[] = [];
    // A copy of each: a row keeps the whole packet that it came in.
    let bytes = 0;
    const takeRow = (row: Buffer) => {
      if (bytes >= part.maxBytes) return;
      const { position, line } = form.read(row);
      found.push({ position: JSON.parse(position.toString()), text: Buffer.from(line) });
      bytes += line.length;
    };
    await copyRows(db, copyStatement(inWindow, form), takeRow, signal);
    return { rows: found, last: found.at(-1)?.position ?? null };
  });
  return rows;
}

const cells = `a.id, ${eventTime}, a.changed_by, a.changed_by_api_key, a.action, a.table_name, a.object_id,
  a.before_value, a.updated_values, a.context, to_char(a.recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
  a.recorded_by, a.tenant, a.redacted`;

function readCsvRow(row: Buffer): LineRow {
  return { line: Buffer.from(csvRow(readCells(row))), position: row.subarray(lastColumn(row)) };
}

/** How the server sends the rows of a part, and how a row is read. */
interface Form {
  readonly columns: string;
  readonly end: string;
  readonly read: (row: Buffer) => LineRow;
}

const forms: Record<'ndjson' | 'csv', Form> = {
  ndjson: { columns: eventJson, end: asLines, read: readLine },
  csv: { columns: cells, end: asCells, read: readCsvRow },
};

function copyStatement(part: ExportPart, { columns, end }: Form): string {
  return `copy (${selectPart(part, columns)}) ${end}`;
}

/** The next part is in the first window that has rows. */
async function readInWindows<Part extends Pick<ExportedPart, 'last'>>(
  db: Database,
  part: ExportPart,
  read: (part: ExportPart) => Promise<Part>,
): Promise<Part> {
  const windows = await listWindows(db, part.filter, part.order, part.after);
  if (windows === null) return runWide(() => read(part));
  const [first, ...others] = windows.map((window) => ({ ...part, filter: within(part.filter, window) }));
  let found = await read(first ?? part);
  for (const inWindow of others) {
    if (found.last !== null) break;
    found = await read(inWindow);
  }
  return found;
}

/** Rows behind `maxBytes` are dropped; the next part reads them again. */
async function copyPart(db: Database, form: Form, part: ExportPart, signal: AbortSignal): Promise<ExportedPart> {
  const chunks: Buffer[] = [];
  const collected = collectChunks((chunk) => chunks.push(chunk));
  let rows = 0;
  let bytes = 0;
  let position: Buffer = Buffer.alloc(0);
  await copyRows(
    db,
    copyStatement(part, form),
    (row) => {
      if (bytes >= part.maxBytes) return;
      const read = form.read(row);
      position = read.position;
      collected.add(read.line);
      rows += 1;
      bytes += read.line.length;
    },
    signal,
  );
  collected.flush();
  return { rows, bytes, chunks, last: rows === 0 ? null : JSON.parse(position.toString()) };
}

/** The rows of a part, each with its position in the last column. */
function selectPart({ filter, order, after, maxRows, maxBytes }: ExportPart, columns: string): string {
  const sql = literalSql;
  const first = selectFirst(sql, matching(sql, filter), order, after, maxRows);
  return printLiteral(
    sql`
    select ${sql.unsafe(columns)}, ${printPosition(sql, order)}
    from (
      -- Large values end the part early; otherwise each part would render the megabytes of all its rows.
      select a.*, sum(
          coalesce(pg_column_size(a.before_value), 0) + coalesce(pg_column_size(a.updated_values), 0)
            + coalesce(pg_column_size(a.context), 0)
        ) over (order by ${orderBy(sql, order)} rows between unbounded preceding and 1 preceding) as stored_before
      from (select * from (${first}) a order by ${orderBy(sql, order)} limit ${maxRows}) a
    ) a
    where coalesce(stored_before, 0) < ${maxBytes}
    order by ${orderBy(sql, order)}` as Fragment,
  );
}
