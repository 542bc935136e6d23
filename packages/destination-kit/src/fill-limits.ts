import type { DestinationLimits, Row } from './destination.ts';

/* Rows and requests that are as large as a destination says that it takes. */

/** More is not tested, because the receiver of a test would have to keep it. */
const mostTestedRows = 2_000;
const mostTestedBytes = 8 * 1024 * 1024;

/** Throws when the exporter could not cut by these limits. */
export function checkLimits(limits: DestinationLimits, row: Row): void {
  for (const name of ['maxRows', 'maxBytes', 'maxRowBytes'] as const)
    if (!Number.isInteger(limits[name]) || limits[name] < 1) throw new Error(`limits.${name} is ${limits[name]}.`);
  const { maxAgeMs, rowBytes } = limits;
  if (maxAgeMs !== undefined && !(maxAgeMs > 0)) throw new Error(`limits.maxAgeMs is ${maxAgeMs}.`);
  if (rowBytes === undefined) return;
  const bytes: unknown = rowBytes(row);
  if (!Number.isFinite(bytes) || Number(bytes) <= 0) throw new Error(`limits.rowBytes returned ${bytes}.`);
}

/** As many rows as one request may have, which together have as many bytes as it may have. */
export function fillRequest(limits: DestinationLimits, makeRow: () => Row): Row[] {
  const most = Math.min(limits.maxRows, mostTestedRows);
  const bytes = Math.min(limits.maxBytes, mostTestedBytes);
  const rows: Row[] = [];
  let sum = 0;
  while (rows.length < most) {
    const row = stretch(makeRow(), Math.min(limits.maxRowBytes, Math.floor(bytes / most)), limits);
    sum += sizeOf(row, limits);
    if (sum > bytes && rows.length > 0) break;
    rows.push(row);
  }
  return rows;
}

export function largestRow(limits: DestinationLimits, row: Row): Row {
  return stretch(row, Math.min(limits.maxRowBytes, mostTestedBytes), limits);
}

function sizeOf(row: Row, { rowBytes }: DestinationLimits): number {
  return rowBytes?.(row) ?? Buffer.byteLength(row.line) + 1;
}

/** A row of this size, or a little smaller. A larger one stays as it is. */
function stretch(row: Row, bytes: number, limits: DestinationLimits): Row {
  const padded = (letters: number): Row =>
    Object.freeze({ ...row, line: `{"id":"${row.id}","updated_values":{"text":"${'x'.repeat(letters)}"}}` });
  const letters = bytes - sizeOf(padded(0), limits);
  if (letters <= 0) return row;
  // What a size counts in addition may grow with the row.
  const over = sizeOf(padded(letters), limits) - bytes;
  return padded(Math.max(0, letters - Math.max(0, over)));
}
