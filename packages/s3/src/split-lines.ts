const newline = 10;

/** Cuts chunks of bytes into lines. Each line is given without its line break, and is only valid during the call. */
export function createLineSplitter(onLine: (line: Buffer) => void): (chunk: Buffer) => void {
  let open: Buffer[] = [];
  return (chunk) => {
    let at = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, at)) {
      const part = chunk.subarray(at, end);
      if (open.length === 0) onLine(part);
      else {
        onLine(Buffer.concat([...open, part]));
        open = [];
      }
      at = end + 1;
    }
    // A copy: the chunk belongs to the decompressor.
    if (at < chunk.length) open.push(Buffer.from(chunk.subarray(at)));
  };
}
