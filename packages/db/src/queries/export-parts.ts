import type { Fragment, Sql } from 'postgres';
import type { Database } from '../database/connect.ts';
import { eventJson, eventLine, eventTime } from '../sql/event-json.ts';
import { isOneLineEach } from '../sql/one-line-each.ts';
import type { EventFilter } from './event-filter.ts';
import { type EventOrder, type EventPosition, orderBy, selectPosition } from './event-order.ts';
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

/** Lines of NDJSON as the server's own bytes. */
export interface ExportedLines {
  readonly rows: number;
  readonly ndjson: Buffer;
  /** The position of the last event; null if the part is empty. */
  readonly last: EventPosition | null;
}

/** Rows of texts in the order of core's `csvColumns`; null where a value is missing. */
export interface ExportedCells {
  readonly rows: readonly (readonly (string | null)[])[];
  readonly last: EventPosition | null;
}

/**
 * The next events of an export as lines.
 *
 * Caller: `GET /audit/export`, once for each part.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function exportLines(db: Database, part: ExportPart): Promise<ExportedLines> {
  return readInWindows(db, part, async (inWindow) => {
    const lines = await readLines(db, inWindow, eventJson);
    return isOneLineEach(lines.rows, lines.ndjson) ? lines : readLines(db, inWindow, eventLine);
  });
}

/** The next part is in the first window that has rows. */
async function readInWindows<T extends { readonly last: EventPosition | null }>(
  db: Database,
  part: ExportPart,
  read: (part: ExportPart) => Promise<T>,
): Promise<T> {
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

async function readLines(db: Database, part: ExportPart, line: string): Promise<ExportedLines> {
  const [row] = await db.query((sql) =>
    sql<[{ rows: number; lines: string; last: string | null }]>`
      select count(*)::int as rows, coalesce(string_agg(line, e'\n' order by place) || e'\n', '') as lines,
        (array_agg(position order by place desc))[1] as last
      from (
        select place, line, position, sum(octet_length(line)) over (order by place) - octet_length(line) as bytes_before
        from (
          select a.place, ${sql.unsafe(line)} as line, ${selectPosition(sql, part.order)} as position
          from (${selectPart(sql, part)}) a
        ) rendered
      ) measured
      where bytes_before < ${part.maxBytes}`.raw(),
  );
  const [rows, ndjson, last] = row as unknown as [Buffer, Buffer, Buffer | null];
  return { rows: Number(rows.toString()), ndjson, last: last && JSON.parse(last.toString()) };
}

/**
 * The next events of an export as cells.
 *
 * Caller: `GET /audit/export`, once for each part.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function exportCells(db: Database, part: ExportPart): Promise<ExportedCells> {
  return readInWindows(db, part, (inWindow) => readCells(db, inWindow));
}

async function readCells(db: Database, part: ExportPart): Promise<ExportedCells> {
  const rows = (await db.query((sql) =>
    sql`
      select id, updated_at, changed_by, changed_by_api_key, action, table_name, object_id, before_value, updated_values,
        context, recorded_at, position
      from (
        select *, sum(size) over (order by place) - size as bytes_before
        from (
          select a.place, ${selectPosition(sql, part.order)} as position,
            a.id::text, ${sql.unsafe(eventTime)} as updated_at, a.changed_by, a.changed_by_api_key, a.action, a.table_name,
            a.object_id, a.before_value::text, a.updated_values::text, a.context::text,
            to_char(a.recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as recorded_at,
            octet_length(concat(a.before_value::text, a.updated_values::text, a.context::text)) as size
          from (${selectPart(sql, part)}) a
        ) rendered
      ) measured
      where bytes_before < ${part.maxBytes}
      order by place`.values(),
  )) as unknown as (string | null)[][];
  const position = rows.at(-1)?.at(-1);
  return { rows: rows.map((row) => row.slice(0, -1)), last: position ? JSON.parse(position) : null };
}

/** The rows of a part with their `place`, before anything is rendered. */
function selectPart(sql: Sql, { filter, order, after, maxRows, maxBytes }: ExportPart): Fragment {
  return sql`
    select * from (
      -- Large values end the part early; otherwise each part would read the megabytes of all its rows. Values are stored
      -- compressed, so the rendered lines are counted too.
      select *, row_number() over so_far as place, sum(stored_bytes) over so_far - stored_bytes as stored_before
      from (
        select *,
          coalesce(pg_column_size(a.before_value), 0) + coalesce(pg_column_size(a.updated_values), 0)
            + coalesce(pg_column_size(a.context), 0) as stored_bytes
        from (${selectFirst(sql, matching(sql, filter), order, after, maxRows)}) a
        order by ${orderBy(sql, order)} limit ${maxRows}
      ) a
      window so_far as (order by ${orderBy(sql, order)})
    ) a where stored_before < ${maxBytes}`;
}
