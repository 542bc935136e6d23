import type { Database } from '../database/connect.ts';

/**
 * How long the oldest transaction has been open that keeps Postgres from removing what it might still see, in seconds: of
 * this database's sessions and of prepared transactions; 0 when there is none. Index entries of sealed rows then stay, and every poll's and sweep's
 * work grows.
 *
 * Sessions of other roles show only to a role with pg_read_all_stats (pg_monitor has it); others see their own role's and
 * all prepared transactions. Called by the exporter's metrics; takes no locks.
 */
export async function horizonHeldS(db: Database): Promise<number> {
  const [row] = await db.query(
    (sql) => sql<[{ heldS: number }]>`
      select greatest(0, coalesce(extract(epoch from clock_timestamp() - min(began_at)), 0))::float8 as "heldS"
      from (
        select xact_start as began_at from pg_stat_activity
        where (backend_xmin is not null or backend_xid is not null)
          and datname = current_database() and pid <> pg_backend_pid()
          -- The horizon does not wait for vacuum.
          and backend_type <> 'autovacuum worker'
        union all
        select prepared from pg_prepared_xacts where database = current_database()
      ) holders`,
  );
  return row.heldS;
}
