/** Rows of one statement: whatever a queue notes as the time of a job is the same for so many. */
const chunk = 10_000;

/** Calls `fill` with the numbers of the first and last row of each chunk of `rows` rows, one after the other. */
export async function inChunks(rows: number, fill: (first: number, last: number) => Promise<unknown>): Promise<void> {
  for (let first = 1; first <= rows; first += chunk) await fill(first, Math.min(first + chunk - 1, rows));
}
