/** Rows per statement. The jobs of one statement have the same creation time. */
const chunk = 10_000;

/** Calls `fill` with the first and last row number of each chunk, one chunk after the other. */
export async function inChunks(rows: number, fill: (first: number, last: number) => Promise<unknown>): Promise<void> {
  for (let first = 1; first <= rows; first += chunk) await fill(first, Math.min(first + chunk - 1, rows));
}
