import { hash } from 'node:crypto';
import type { Row } from '@auditbox/destination-kit/destination.ts';

/** How large a request may be. */
export interface CutLimits {
  readonly maxRows: number;
  readonly maxBytes: number;
}

/** A row with its place in the batch and what it adds to a request. */
export interface PlacedRow {
  readonly position: number;
  readonly outboxId: string;
  readonly bytes: number;
  readonly row: Row;
}

/** Rows that are sent together. */
export interface CutRequest {
  readonly rows: readonly [PlacedRow, ...PlacedRow[]];
  /** Some rows of a request that the receiver did not take whole. */
  readonly isPart?: true;
}

export interface Cutter {
  /** Takes the next row. Returns the request that ends before it, if that one is full. */
  add(row: PlacedRow): CutRequest | null;
  /** The rows that wait for others. */
  end(): CutRequest | null;
}

/**
 * Cuts rows into requests. A cut depends only on the limits and on the rows since the cut before, so a delivery that goes on
 * at a cut is cut as if it had never stopped.
 */
export function createCutter({ maxRows, maxBytes }: CutLimits): Cutter {
  let waiting: PlacedRow[] = [];
  let bytes = 0;

  function take(): CutRequest | null {
    const [first, ...others] = waiting;
    waiting = [];
    bytes = 0;
    return first === undefined ? null : { rows: [first, ...others] };
  }

  return {
    add(row) {
      const full = waiting.length === maxRows || bytes + row.bytes > maxBytes ? take() : null;
      waiting.push(row);
      bytes += row.bytes;
      return full;
    },
    end: take,
  };
}

/** What keys of a delivery's requests begin with. */
export interface KeyParts {
  /** Null: there are no other cells. */
  readonly cell: string | null;
  readonly destination: string;
  readonly batchId: string;
  /** In microseconds since 1970. Null for a delivery that was begun by a version whose keys did not have it. */
  readonly sealedAt: string | null;
  /** Whether keys of parts name their rows. False for a delivery that was begun by a version whose keys did not. */
  readonly namesParts: boolean;
}

/**
 * The key of a request: a pure function of cell, destination, batch and first row. Batches of all cells have the same numbers, and
 * so have batches that were sealed before and after a restore. The time of the seal tells those apart.
 *
 * A part of a request has the first row of another request: of the whole one, or of the one that begins there after a retry. A
 * receiver that keeps keys would take one for the other, and rows would be lost. So the key of a part also names its rows.
 */
export function requestKey(
  { cell, destination, batchId, sealedAt, namesParts }: KeyParts,
  { rows, isPart }: CutRequest,
): string {
  const batch = sealedAt === null ? batchId : `${batchId}-${BigInt(sealedAt).toString(36)}`;
  const part =
    isPart && namesParts ? `-${hash('sha256', rows.map(({ position }) => position).join()).slice(0, 12)}` : '';
  return `${cell === null ? '' : `${cell}/`}${destination}/${batch}/${rows[0].position}${part}`;
}

/** A request that is too large, as two. Null for a single row. */
export function halve({ rows }: CutRequest): readonly [CutRequest, CutRequest] | null {
  const middle = Math.ceil(rows.length / 2);
  const [first, ...others] = rows.slice(0, middle);
  const [second, ...last] = rows.slice(middle);
  if (first === undefined || second === undefined) return null;
  return [
    { rows: [first, ...others], isPart: true },
    { rows: [second, ...last], isPart: true },
  ];
}
