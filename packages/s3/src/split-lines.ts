import { constants } from 'node:buffer';

const newline = 10;

/** A line that no text can hold. An object of a stranger may unpack to one without an end. */
export class LineTooLongError extends Error {
  override readonly name = 'LineTooLongError';
  readonly code = 'LINE_TOO_LONG';
}

/**
 * Cuts chunks of bytes into lines. Each line is given without its line break, and is only valid during the call. Throws
 * LineTooLongError.
 */
export function createLineSplitter(
  onLine: (line: Buffer) => void,
  maxBytes: number = constants.MAX_STRING_LENGTH,
): (chunk: Buffer) => void {
  let open: Buffer[] = [];
  let openBytes = 0;
  return (chunk) => {
    let at = 0;
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, at)) {
      const part = chunk.subarray(at, end);
      if (open.length === 0) onLine(part);
      else {
        onLine(Buffer.concat([...open, part]));
        open = [];
        openBytes = 0;
      }
      at = end + 1;
    }
    // A copy: the chunk belongs to the decompressor.
    if (at < chunk.length) open.push(Buffer.from(chunk.subarray(at)));
    openBytes += chunk.length - at;
    if (openBytes > maxBytes) throw new LineTooLongError(`A line is longer than ${maxBytes} bytes.`);
  };
}
