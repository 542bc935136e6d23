import type { Database } from '../database/connect.ts';

/**
 * Deletes up to `maxRows` outbox rows whose batch was exported longer than `retentionDays` ago, and says how many. The
 * audit rows and the batches stay; `pruned_event` remembers the events' ids, which stay taken, and their batches. Called by
 * the exporter's housekeeping, outside of any transaction, until it returns 0. Locks the rows that it deletes and skips locked ones. If we die right after, the next call goes on.
 */
export async function pruneOutbox(db: Database, retentionDays: number, maxRows: number): Promise<number> {
  const [row] = await db.query(
    (sql) => sql<[{ deleted: number }]>`select outbox_prune(${retentionDays}::int, ${maxRows}::int) as deleted`,
  );
  return row.deleted;
}
