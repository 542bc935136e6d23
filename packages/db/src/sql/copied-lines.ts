const newline = 10;
const carriageReturn = 13;
const blank = 32;
/** Around a line that holds raw line breaks. No JSON text can hold this character. */
const quote = 1;

/** The end of a COPY statement whose one column is a line of JSON: the stream is NDJSON, with quotes as `oneLineEach` reads. */
export const asLines = `to stdout (format csv, quote e'\\x01', delimiter e'\\x02')`;

/**
 * Counts the lines of a COPY as they pass and keeps each on one line. A `json` value is kept as it was written, so a plain
 * INSERT may bring raw line breaks. They can only stand between the tokens of a value, where blanks mean the same.
 */
export function oneLineEach() {
  let rows = 0;
  let isQuoted = false;

  function countLines(chunk: Buffer): void {
    for (let at = chunk.indexOf(newline); at !== -1; at = chunk.indexOf(newline, at + 1)) rows += 1;
  }

  function unquote(chunk: Buffer): Buffer {
    const lines = Buffer.allocUnsafe(chunk.length);
    let used = 0;
    for (const byte of chunk) {
      if (byte === quote) {
        isQuoted = !isQuoted;
        continue;
      }
      lines[used] = isQuoted && (byte === newline || byte === carriageReturn) ? blank : byte;
      used += 1;
    }
    return lines.subarray(0, used);
  }

  return {
    /** The chunk as lines. */
    pass(chunk: Buffer): Buffer {
      const lines = isQuoted || chunk.includes(quote) ? unquote(chunk) : chunk;
      countLines(lines);
      return lines;
    },
    /** Lines that ended so far. */
    get rows() {
      return rows;
    },
  };
}
