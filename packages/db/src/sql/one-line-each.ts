const newline = 10;
const carriageReturn = 13;

/** Whether the text has exactly `rows` lines and no carriage return. It searches bytes, which is almost free. */
export function isOneLineEach(rows: number, ndjson: Buffer): boolean {
  let lines = 0;
  for (let at = ndjson.indexOf(newline); at !== -1; at = ndjson.indexOf(newline, at + 1)) lines += 1;
  return lines === rows && !ndjson.includes(carriageReturn);
}
