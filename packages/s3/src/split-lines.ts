import { constants } from 'node:buffer';

const newline = 10;

/** Lines that no exporter has written. An object of a stranger may unpack to them. */
export class BrokenLineError extends Error {
  override readonly name = 'BrokenLineError';
  /** `LINE_TOO_LONG`: no text can hold it. `LINE_NOT_ENDED`: the last one has no line break. */
  readonly code: 'LINE_TOO_LONG' | 'LINE_NOT_ENDED';

  constructor(code: BrokenLineError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** Cuts chunks of bytes into lines. Both calls throw BrokenLineError. */
export interface LineSplitter {
  add(chunk: Buffer): void;
  /** Behind the last chunk: a line without a line break was not given to anyone. */
  end(): void;
}

/** Each line is given without its line break, and is only valid during the call. */
export function createLineSplitter(
  onLine: (line: Buffer) => void,
  maxBytes: number = constants.MAX_STRING_LENGTH,
): LineSplitter {
  let open: Buffer[] = [];
  let openBytes = 0;
  return {
    add(chunk) {
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
      if (openBytes > maxBytes) throw new BrokenLineError('LINE_TOO_LONG', `A line is longer than ${maxBytes} bytes.`);
    },
    end() {
      if (open.length > 0) throw new BrokenLineError('LINE_NOT_ENDED', 'The last line has no line break.');
    },
  };
}
