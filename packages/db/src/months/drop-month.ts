import type { Database } from '../database/connect.ts';
import type { ExpiredMonth } from './list-expired-months.ts';

/**
 * Removes a closed month, and what pruned_event knows of it; false, and nothing is done, while any of its events is
 * pending, quarantined or in a batch that is not done. Called by the exporter's housekeeping, outside of any transaction.
 *
 * Locks audit_log for as long as the catalogue takes, and waits half a second at most for those who use it; then it
 * throws and is tried again another time. If we die before the commit, the month is still there, and closed. One statement:
 * ids that are forgotten while their events are there could be stored again.
 */
export async function dropMonth(db: Database, { name }: ExpiredMonth): Promise<boolean> {
  const [row] = await db.query((sql) => sql<[{ gone: boolean }]>`select audit_log_drop_month(${name}) as gone`);
  return row.gone;
}
