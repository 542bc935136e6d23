import type { Database } from '../connect.ts';
import { eventJson } from '../event-json.ts';

/** Enough rows to keep the round trips few, few enough to keep a chunk near half a megabyte of 1 KB rows. */
const rowsPerChunk = 500;

/**
 * The lines of a batch, each with its newline, in chunks; ordered by event time, then id. Called by the exporter, which
 * holds the batch's lease; takes no locks. The sort is over outbox rows, which are small, before the audit rows join.
 *
 * Streamed through a cursor, so that memory holds a chunk and not a batch. If we die, nothing has changed.
 */
export async function* renderBatch(db: Database, batchId: string): AsyncGenerator<{ rows: number; ndjson: Buffer }> {
  const { sql } = db;
  const cursor = sql<{ line: string }[]>`
    select ${sql.unsafe(eventJson)} as line
    from (
      select audit_id, occurred_at from outbox where batch_id = ${batchId} order by occurred_at, audit_id
    ) o
    join audit_log a on a.id = o.audit_id
    order by o.occurred_at, o.audit_id`
    .cursor(rowsPerChunk)
    [Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value: rows } = await db.answer(cursor.next());
      if (done) return;
      if (rows.length > 0)
        yield { rows: rows.length, ndjson: Buffer.from(`${rows.map(({ line }) => line).join('\n')}\n`) };
    }
  } finally {
    await cursor.return?.();
  }
}
