import type { Database } from '../database/connect.ts';
import type { ExpiredMonth } from './list-expired-months.ts';

/**
 * Lets nothing more into a partition, so that what is found in it afterwards is all there will be. Called by the
 * exporter's housekeeping, outside of any transaction.
 *
 * Waits for writers to that partition, half a second at most, and while it waits others wait behind it; then it throws
 * and is tried again another time. If we die right after, the partition stays closed and the next call finds it so.
 */
export async function closeMonth(db: Database, { name }: ExpiredMonth): Promise<void> {
  await db.query((sql) => sql`select audit_log_close_month(${name})`);
}
