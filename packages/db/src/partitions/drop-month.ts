import type { Database } from '../connect.ts';
import type { ExpiredMonth } from './list-expired-months.ts';

/**
 * Removes a closed month, all of whose events are exported, and what pruned_event knows of it. Called by the exporter's
 * housekeeping, outside of any transaction.
 *
 * Locks audit_log for as long as the catalogue takes, and waits half a second at most for those who use it; then it
 * throws and is tried again another time. If we die before the commit, the month is still there, and closed. One statement:
 * ids that are forgotten while their events are there could be stored again.
 */
export async function dropMonth(db: Database, { name, from, to }: ExpiredMonth): Promise<void> {
  await db.answer(() =>
    db.sql.unsafe(`
      do $$
      begin
        perform set_config('lock_timeout', '500ms', true);
        drop table if exists ${name};
        delete from pruned_event where occurred_at >= '${from}' and occurred_at < '${to}';
      end $$`),
  );
}
