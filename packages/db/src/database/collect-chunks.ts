/** A call for each row would cost its receiver more than the row. */
const chunkBytes = 131_072;

/** Collects rows in chunks of about 128 kB. A larger row is a chunk by itself. */
export function collectChunks(onChunk: (chunk: Buffer) => void) {
  let chunk = Buffer.allocUnsafe(chunkBytes);
  let used = 0;
  function flush(): void {
    if (used === 0) return;
    const full = chunk.subarray(0, used);
    chunk = Buffer.allocUnsafe(chunkBytes);
    used = 0;
    onChunk(full);
  }
  function add(row: Buffer): void {
    if (row.length > chunkBytes - used) flush();
    if (row.length > chunkBytes) {
      onChunk(row);
      return;
    }
    used += row.copy(chunk, used);
  }
  return { add, flush };
}
