import type { Sql } from 'postgres';
import { toDatabaseError } from '../../database/database-error.ts';

/**
 * Lets the api and the exporter see other users' sessions, by which pollers know what may still appear, and the metrics
 * what keeps Postgres from clearing up. False if this role may not: then nothing is done. Called by
 * `npm run migrate -- --roles`; locks nothing.
 */
export async function showSessions(sql: Sql): Promise<boolean> {
  for (let triesLeft = 20; ; triesLeft -= 1) {
    if (await seeSessions(sql)) return true;
    try {
      await sql`grant pg_read_all_stats to auditbox_api, auditbox_exporter`;
    } catch (error) {
      const code = toDatabaseError(error)?.code;
      if (code === '42501') return false;
      // Migrators of two databases grant the same thing at once: unique violation, or "tuple concurrently updated".
      if (triesLeft === 0 || (code !== '23505' && code !== 'XX000')) throw error;
    }
  }
}

async function seeSessions(sql: Sql): Promise<boolean> {
  const [row] = await sql<[{ see: boolean }]>`
    select bool_and(pg_has_role(name, 'pg_read_all_stats', 'usage')) as see
    from unnest(array['auditbox_api', 'auditbox_exporter']::name[]) as name`;
  return row.see;
}
