import type { Database } from '../connect.ts';
import { type BatchRow, listBatchRows } from './list-batch-rows.ts';
import { renderRows } from './render-rows.ts';

/** Enough to keep the round trips few; memory holds one chunk for each upload. */
const chunkMaxRows = 500;
const chunkMaxBytes = 1024 * 1024;

/**
 * The lines of a batch, each with its newline, in chunks. Short statements instead of a cursor: the driver ends a
 * cursor whose connection dies as if there were no more rows.
 */
export async function* renderBatch(db: Database, batchId: string): AsyncGenerator<{ rows: number; ndjson: Buffer }> {
  for (const chunk of chunksOf(await listBatchRows(db, batchId))) {
    const lines = await renderRows(db, chunk);
    if (lines.length > 0) yield { rows: lines.length, ndjson: Buffer.from(`${lines.join('\n')}\n`) };
  }
}

/** Rows cut into pieces that are rendered at once; a row that is too large for any is one by itself. */
export function* chunksOf(rows: readonly BatchRow[]): Generator<readonly BatchRow[]> {
  let start = 0;
  let bytes = 0;
  for (const [index, row] of rows.entries()) {
    if (index > start && (index - start >= chunkMaxRows || bytes + row.bytes > chunkMaxBytes)) {
      yield rows.slice(start, index);
      start = index;
      bytes = 0;
    }
    bytes += row.bytes;
  }
  if (start < rows.length) yield rows.slice(start);
}
