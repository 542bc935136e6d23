import type { Database } from '../database/connect.ts';
import { chunkBatch } from './chunk-batch.ts';
import { type RenderedLines, renderChunk } from './render-chunk.ts';

/**
 * The lines of a batch in chunks, as its object holds them. Short statements instead of a cursor: the driver ends a
 * cursor whose connection dies as if there were no more rows.
 */
export async function* renderBatch(db: Database, batchId: string): AsyncGenerator<RenderedLines> {
  for (const chunk of await chunkBatch(db, batchId)) yield renderChunk(db, chunk);
}
