import type { Database } from '../database/connect.ts';
import { type ChangedBy, printActor } from '../keys/changed-by.ts';
import { idsIn } from '../sql/ids-in.ts';
import type { Failed } from './find-failed.ts';

/** Failed deliveries and rejected rows of a destination, by their ids. */
export interface ReplayIds {
  readonly destination: string;
  readonly batchIds: readonly string[];
  readonly outboxIds: readonly string[];
}

/** Rows of one replay batch: as many as a batch has by default. */
const rowsPerCall = 10_000;

/**
 * `failed → sealed`, due at once, and rejected rows into separate batches. Returns all of these batches. A delivery
 * that failed because all of its rows were rejected gets its rows back. Nothing that is not failed or rejected any more is
 * changed, so it is safe next to a running exporter and may be repeated. `by` writes an audit event that names the person.
 *
 * Caller: replay, outside of any transaction.
 * Locks: those deliveries and rejections.
 * Crash: any exporter goes on with what was replayed; the call can be repeated for the others.
 */
export async function replayFailed(
  db: Database,
  { destination, batchIds, outboxIds }: ReplayIds,
  by: ChangedBy | null = null,
): Promise<{ batchIds: string[] }> {
  const replayed: string[] = [];
  for (let from = 0; from === 0 || from < outboxIds.length; from += rowsPerCall) {
    const failed = from === 0 ? batchIds : [];
    const rejected = outboxIds.slice(from, from + rowsPerCall);
    const again = await db.query(
      (sql) => sql<{ batchId: string }[]>`
      select id::text as "batchId"
      from auditbox.replay_failed(${destination}, array(${idsIn(db.sql, failed)}), array(${idsIn(db.sql, rejected)}),
        ${by && printActor(by)}::text::json) as id`,
    );
    replayed.push(...again.map(({ batchId }) => batchId));
  }
  return { batchIds: replayed };
}

/** What a replay took on. */
export interface Replayed {
  readonly batches: number;
  /** Of these batches. */
  readonly events: number;
  readonly rejectedEvents: number;
}

/** What of `failed` a replay took on that returned `batchIds`. Another replay at the same moment may have taken on the other part. */
export async function countReplayed(db: Database, failed: Failed, batchIds: readonly string[]): Promise<Replayed> {
  const taken = new Set(batchIds);
  const deliveries = failed.deliveries.filter(({ batchId }) => taken.delete(batchId));
  // What is left was made for rejected rows.
  const made = [...taken];
  return {
    batches: deliveries.length,
    events: deliveries.reduce((sum, { rows }) => sum + rows, 0),
    rejectedEvents: made.length === 0 ? 0 : await countRows(db, made),
  };
}

/**
 * Caller: replay, after the change.
 * Locks: none.
 * Crash: nothing is written.
 */
async function countRows(db: Database, batchIds: readonly string[]): Promise<number> {
  const [row] = await db.query(
    (sql) => sql<[{ rows: number }]>`
      select coalesce(sum(b.row_count), 0)::int as rows from auditbox.batch b where b.id in (${idsIn(db.sql, batchIds)})`,
  );
  return row.rows;
}
