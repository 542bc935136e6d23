import type { Database } from './connect.ts';

/** Now by the database's clock, the only one that decides anything: ISO 8601 in UTC, six fraction digits. */
export async function databaseTime(db: Database): Promise<string> {
  const [row] = await db.query(
    (sql) => sql<[{ now: string }]>`
      select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now`,
  );
  return row.now;
}
