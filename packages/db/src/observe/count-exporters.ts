import type { Database } from '../database/connect.ts';
import { nameApplication } from '../database/schema-name.ts';

/**
 * How many connections the running exporters have to this schema. Every role may see the names of connections. A pooler that does
 * not pass them on hides its clients, so 0 is a hint and no proof.
 *
 * Caller: `npm run status`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function countExporterConnections(db: Database, schema: string): Promise<number> {
  const [row] = await db.query(
    (sql) => sql<[{ exporters: number }]>`
      select count(*)::int as exporters
      from pg_stat_activity
      where datname = current_database() and application_name = ${nameApplication('auditbox exporter', schema)}`,
  );
  return row.exporters;
}
