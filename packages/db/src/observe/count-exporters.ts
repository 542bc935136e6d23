import type { Database } from '../database/connect.ts';

/**
 * How many connections the running exporters have to this database. Every role may see the names of connections. A pooler that does
 * not pass them on hides its clients, so 0 is a hint and no proof.
 *
 * Caller: `npm run status`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function countExporterConnections(db: Database): Promise<number> {
  const [row] = await db.query(
    (sql) => sql<[{ exporters: number }]>`
      select count(*)::int as exporters
      from pg_stat_activity
      where datname = current_database() and application_name = 'auditbox exporter'`,
  );
  return row.exporters;
}
