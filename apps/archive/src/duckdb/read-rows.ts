import type { DuckDBDataChunk, DuckDBValue } from '@duckdb/node-api';

export type Row = readonly DuckDBValue[];

const rowsAtOnce = 16;

/**
 * The rows of a chunk, a few at a time. A chunk has two thousand, and its `getRows` would hold a text of each value of each of
 * them: gigabytes, where events have a megabyte.
 */
export function* readRows(chunk: DuckDBDataChunk): Generator<Row, void> {
  const columns = Array.from({ length: chunk.columnCount }, (_, column) => chunk.getColumnVector(column));
  for (let from = 0; from < chunk.rowCount; from += rowsAtOnce) {
    const count = Math.min(rowsAtOnce, chunk.rowCount - from);
    // A slice forgets its texts when it is let go.
    const slices = columns.map((vector) => vector.slice(from, count));
    for (let row = 0; row < count; row += 1) yield slices.map((slice) => slice.getItem(row));
  }
}
