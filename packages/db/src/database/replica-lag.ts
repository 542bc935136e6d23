import type { Database } from './connect.ts';

/**
 * How far behind a replica is, in milliseconds; 0 when it has replayed all that it received, and on a primary. Called by
 * the api now and then; takes no locks. A replica that receives nothing any more says 0 too: the primary knows of that.
 */
export async function replicaLagMs(db: Database): Promise<number> {
  const [row] = await db.query(
    (sql) => sql<[{ lag: number }]>`
      select case
        when not pg_is_in_recovery() or pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0
        else coalesce(extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000, 0)
      end::float8 as lag`,
  );
  return row.lag;
}
