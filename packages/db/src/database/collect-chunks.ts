/** A call for each row would cost its receiver more than the row. */
const chunkBytes = 131_072;

/** Chunks to use again: the allocator keeps much more memory than is in use when megabytes come and go each second. */
const free: Buffer[] = [];
const maxFree = 128;

function takeChunk(): Buffer {
  return free.pop() ?? Buffer.allocUnsafeSlow(chunkBytes);
}

/** Gives a chunk back when its bytes were written for sure. Nobody may hold it any more. Without it the chunk is garbage. */
export function giveBack(chunk: Buffer): void {
  const isWhole = chunk.byteOffset === 0 && chunk.buffer.byteLength === chunkBytes;
  if (isWhole && free.length < maxFree) free.push(Buffer.from(chunk.buffer));
}

/** Collects rows in chunks of about 128 kB. A larger row is a chunk by itself. */
export function collectChunks(onChunk: (chunk: Buffer) => void) {
  let chunk: Buffer | null = null;
  let used = 0;
  function flush(): void {
    if (chunk === null) return;
    const full = chunk.subarray(0, used);
    chunk = null;
    used = 0;
    onChunk(full);
  }
  function add(row: Buffer): void {
    if (row.length > chunkBytes - used) flush();
    if (row.length > chunkBytes) {
      onChunk(row);
      return;
    }
    chunk ??= takeChunk();
    used += row.copy(chunk, used);
  }
  return { add, flush };
}
