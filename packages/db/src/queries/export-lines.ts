import type { Database } from '../database/connect.ts';
import { eventJson, eventLine } from '../sql/event-json.ts';
import { isOneLineEach } from '../sql/one-line-each.ts';
import type { EventPosition } from './event-order.ts';
import { positionOf } from './order-sql.ts';
import { type ExportPart, partOf } from './part-of.ts';

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
  const [row] = await db.query((sql) =>
    sql<[{ rows: number; lines: string; last: string | null }]>`
      select count(*)::int as rows, coalesce(string_agg(line, e'\n' order by place) || e'\n', '') as lines,
        (array_agg(position order by place desc))[1] as last
      from (
        select place, line, position, sum(octet_length(line)) over (order by place) - octet_length(line) as bytes_before
        from (
          select a.place, ${sql.unsafe(line)} as line, ${positionOf(sql, part.order)} as position
          from (${partOf(sql, part)}) a
        ) rendered
      ) measured
      where bytes_before < ${part.maxBytes}`.raw(),
  );
  const [rows, ndjson, last] = row as unknown as [Buffer, Buffer, Buffer | null];
  return { rows: Number(rows.toString()), ndjson, last: last && JSON.parse(last.toString()) };
}
