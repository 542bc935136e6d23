import type { Database } from '../database/connect.ts';
import { toDatabaseError } from '../database/database-error.ts';
import { type BatchRow, listBatchRows } from './list-batch-rows.ts';
import type { BadRow } from './quarantine-rows.ts';
import { renderChunk } from './render-chunk.ts';

/** Rows looked at together first. */
const firstLook = 1_000;

/**
 * The rows of a batch that can never be rendered, each with the reason: their audit row is gone, or its data make
 * Postgres refuse. Found by halving. Faults of the server blame no row; they are thrown. Called by the exporter when
 * rendering the whole did not give all rows; takes no locks.
 */
export async function findBadRows(db: Database, batchId: string): Promise<BadRow[]> {
  const bad: BadRow[] = [];
  const rows = await listBatchRows(db, batchId);
  for (let from = 0; from < rows.length; from += firstLook) {
    bad.push(...(await search(db, rows.slice(from, from + firstLook))));
  }
  return bad;
}

async function search(db: Database, rows: readonly BatchRow[]): Promise<BadRow[]> {
  const reason = await whyIncomplete(db, rows);
  const [first] = rows;
  if (reason === null || first === undefined) return [];
  if (rows.length === 1) return [{ outboxId: first.outboxId, reason }];
  const middle = rows.length >> 1;
  return [...(await search(db, rows.slice(0, middle))), ...(await search(db, rows.slice(middle)))];
}

async function whyIncomplete(db: Database, rows: readonly BatchRow[]): Promise<string | null> {
  try {
    const auditIds = `{${rows.map(({ auditId }) => auditId).join()}}`;
    const [firstOccurredAt = '', lastOccurredAt = ''] = [rows[0]?.occurredAt, rows.at(-1)?.occurredAt];
    const lines = await renderChunk(db, { rows: rows.length, auditIds, firstOccurredAt, lastOccurredAt });
    return lines.rows === rows.length ? null : 'The audit row is not there any more.';
  } catch (error) {
    const fault = toDatabaseError(error);
    if (fault === null || fault.kind !== 'data') throw error;
    return `The event cannot be rendered: ${fault.message} (${fault.code}).`;
  }
}
