import type { Database } from './connect.ts';

/**
 * How far a replica is behind the primary, in milliseconds. 0 on a primary, and on a replica that has replayed all that it
 * received. A replica that receives nothing any more reports 0 too; only the primary can notice that.
 *
 * Caller: the api, periodically.
 * Locks: none.
 * Crash: nothing is written.
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
