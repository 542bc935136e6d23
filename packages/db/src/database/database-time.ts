import type { Database } from './connect.ts';

/**
 * The time by the database's clock, which decides every lease and wait: ISO 8601 in UTC, six fraction digits.
 *
 * Caller: both processes.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function databaseTime(db: Database): Promise<string> {
  const [row] = await db.query(
    (sql) => sql<[{ now: string }]>`
      select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now`,
  );
  return row.now;
}
