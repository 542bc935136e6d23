const newline = 10;
const carriageReturn = 13;

/** Whether text is `rows` lines and nothing in them breaks a line: a look at bytes, which costs Node nothing. */
export function isOneLineEach(rows: number, ndjson: Buffer): boolean {
  let lines = 0;
  for (let at = ndjson.indexOf(newline); at !== -1; at = ndjson.indexOf(newline, at + 1)) lines += 1;
  return lines === rows && !ndjson.includes(carriageReturn);
}
