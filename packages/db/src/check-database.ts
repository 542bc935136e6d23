import type { Database } from './connect.ts';

/**
 * Asks the database something that only the current schema can answer; throws what a statement throws. Called by
 * health checks; takes no locks.
 */
export async function checkDatabase(db: Database): Promise<void> {
  await db.answer(() => db.sql`select from outbox_status limit 0`);
}
