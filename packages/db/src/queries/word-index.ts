import type { Database } from '../database/connect.ts';

/**
 * Whether the index of words was made (`npm run migrate -- --search-index on`). Without it a search for words reads every
 * event of its time range.
 *
 * Caller: the api, once a minute.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function hasWordIndex(db: Database): Promise<boolean> {
  const [row] = await db.query(
    (sql) => sql<[{ exists: boolean }]>`select to_regclass('auditbox.audit_log_words') is not null as exists`,
  );
  return row.exists;
}
