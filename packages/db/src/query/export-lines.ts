import type { Database } from '../connect.ts';
import { eventJson, eventLine } from '../event-json.ts';
import { isOneLineEach } from '../one-line-each.ts';
import type { EventFilter } from './event-filter.ts';
import type { EventOrder, EventPosition } from './event-order.ts';
import { firstOf } from './find-events.ts';
import { matching } from './matching.ts';
import { orderBy, positionOf } from './order-sql.ts';

/** Which part of an export comes next. */
export interface ExportPart {
  readonly filter: EventFilter;
  readonly order: EventOrder;
  readonly after: EventPosition | null;
  readonly maxRows: number;
  /** No more rows are taken once there are so many bytes. */
  readonly maxBytes: number;
}

/** Lines of NDJSON as the server's own bytes. */
export interface ExportedLines {
  readonly rows: number;
  readonly ndjson: Buffer;
  /** Where the last one stands; null when there was none. */
  readonly last: EventPosition | null;
}

/** The next events of an export as lines. Called by `GET /audit/export`, part after part; takes no locks. */
export async function exportLines(db: Database, part: ExportPart): Promise<ExportedLines> {
  const lines = await read(db, part, eventJson);
  return isOneLineEach(lines.rows, lines.ndjson) ? lines : read(db, part, eventLine);
}

async function read(db: Database, part: ExportPart, line: string): Promise<ExportedLines> {
  const { filter, order, after, maxRows, maxBytes } = part;
  const { sql } = db;
  const [row] = await db.answer(() =>
    sql<[{ rows: number; lines: string; last: string | null }]>`
      select count(*)::int as rows, coalesce(string_agg(line, e'\n' order by place) || e'\n', '') as lines,
        (array_agg(position order by place desc))[1] as last
      from (
        select place, line, position, sum(octet_length(line)) over (order by place) - octet_length(line) as bytes_before
        from (
          select row_number() over (order by ${orderBy(sql, order)}) as place, ${sql.unsafe(line)} as line,
            ${positionOf(sql, order)} as position
          from (
            select * from (${firstOf(sql, matching(sql, filter), order, after, maxRows)}) a
            order by ${orderBy(sql, order)} limit ${maxRows}
          ) a
        ) rendered
      ) measured
      where bytes_before < ${maxBytes}`.raw(),
  );
  const [rows, ndjson, last] = row as unknown as [Buffer, Buffer, Buffer | null];
  return { rows: Number(rows.toString()), ndjson, last: last && JSON.parse(last.toString()) };
}
