const newline = 10;
const carriageReturn = 13;
const blank = 32;
/** Around a line that holds raw line breaks. No JSON text can hold this character. */
const quote = 1;

/** Between the columns of a row. No JSON text can hold this character either. */
const delimiter = 2;
/** Stands for null where an empty text must differ from it. */
const nullText = '\x03';

/** The end of a COPY statement whose one column is a line of JSON: the stream is NDJSON, with quotes as `oneLineEach` reads. */
export const asLines = `to stdout (format csv, quote e'\\x01', delimiter e'\\x02')`;

/** The end of a COPY statement of cells, as `readCells` reads them. */
export const asCells = `to stdout (format csv, quote e'\\x01', delimiter e'\\x02', null e'\\x03')`;

/** Where the last column of a row begins. That column is JSON. */
export function lastColumn(row: Buffer): number {
  return row.lastIndexOf(delimiter) + 1;
}

/** The line of a row that has a second column behind it, with its line break. It overwrites the row. */
export function takeLine(row: Buffer): Buffer {
  const end = row.lastIndexOf(delimiter);
  if (row[0] !== quote) {
    row[end] = newline;
    return row.subarray(0, end + 1);
  }
  // Its quotes are left out, and its raw line breaks become blanks.
  const line = row.subarray(1, end);
  for (const [index, byte] of line.entries()) if (byte === newline || byte === carriageReturn) line[index] = blank;
  line[line.length - 1] = newline;
  return line;
}

/** The cells of a row before its last column; null where a value is missing. */
export function readCells(row: Buffer): (string | null)[] {
  const text = row.toString('utf8', 0, row.lastIndexOf(delimiter));
  if (text.includes('\x01')) return splitQuoted(text);
  const cells: (string | null)[] = text.split('\x02');
  // In place: this runs for each event.
  for (let index = 0; index < cells.length; index += 1) if (cells[index] === nullText) cells[index] = null;
  return cells;
}

/** Whether a cell of the row is between quotes. No other cell can hold a raw line break. */
export function hasQuotedCell(row: Buffer): boolean {
  return row.includes(quote);
}

/** A cell that has a quote, a delimiter or a line break is between quotes, with its own quotes doubled. */
function splitQuoted(text: string): (string | null)[] {
  const cells: (string | null)[] = [];
  for (let at = 0; at <= text.length; ) {
    if (text[at] === '\x01') {
      const end = findClosingQuote(text, at + 1);
      cells.push(text.slice(at + 1, end).replaceAll('\x01\x01', '\x01'));
      at = end + 2;
    } else {
      const next = text.indexOf('\x02', at);
      const end = next === -1 ? text.length : next;
      cells.push(orNull(text.slice(at, end)));
      at = end + 1;
    }
  }
  return cells;
}

function findClosingQuote(text: string, from: number): number {
  let at = text.indexOf('\x01', from);
  while (at !== -1 && text[at + 1] === '\x01') at = text.indexOf('\x01', at + 2);
  return at === -1 ? text.length : at;
}

function orNull(cell: string): string | null {
  return cell === nullText ? null : cell;
}

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
