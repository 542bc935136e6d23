import type { Database } from '../database/connect.ts';
import { eventJson, eventLine } from '../sql/event-json.ts';
import { isOneLineEach } from '../sql/one-line-each.ts';
import type { BatchChunk } from './chunk-batch.ts';

/** Lines, each with its newline. */
export interface RenderedLines {
  /** Fewer than asked for where an audit row is missing. */
  readonly rows: number;
  readonly ndjson: Buffer;
}

/**
 * The lines of a chunk in their order, as the server's own bytes: Node decodes none of them. Called by the exporter, which
 * holds the lease of the batch; takes no locks. If we die, nothing has changed.
 */
export async function renderChunk(db: Database, chunk: BatchChunk): Promise<RenderedLines> {
  const lines = await render(db, chunk, eventJson);
  // A value with line breaks is rare; to look for it in a megabyte of bytes costs Node nothing, and Postgres a lot.
  return isOneLineEach(lines.rows, lines.ndjson) ? lines : render(db, chunk, eventLine);
}

async function render(db: Database, chunk: BatchChunk, line: string): Promise<RenderedLines> {
  const { auditIds, firstOccurredAt, lastOccurredAt } = chunk;
  const [row] = await db.query((sql) =>
    sql<[{ rows: number; lines: string }]>`
      select count(line)::int as rows, coalesce(string_agg(line, e'\n' order by place) || e'\n', '') as lines
      from (
        select wanted.place, ${db.sql.unsafe(line)} as line
        from unnest(${auditIds}::text::uuid[]) with ordinality as wanted (id, place)
        join audit_log a on a.id = wanted.id
          and a.occurred_at between ${firstOccurredAt}::text::timestamptz and ${lastOccurredAt}::text::timestamptz
      ) rendered`.raw(),
  );
  const [rows, ndjson] = row as unknown as [Buffer, Buffer];
  return { rows: Number(rows.toString()), ndjson };
}
