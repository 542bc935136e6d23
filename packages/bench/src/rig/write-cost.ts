import type { BenchDatabase } from './rig.ts';

/** What a run made Postgres write. */
export interface WriteCost {
  readonly walBytes: number;
  /** Row versions that an update or delete left behind for vacuum. */
  readonly deadRows: number;
}

/** Begins to count; the result is what was written until it is called. Processes that wrote must have ended by then. */
export async function countWrites({ sql }: BenchDatabase): Promise<() => Promise<WriteCost>> {
  const read = async () => {
    const [row] = await sql<[{ wal: number; dead: number }]>`
      select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8 as wal,
        (select coalesce(sum(n_tup_upd + n_tup_del), 0)::float8 from pg_stat_user_tables) as dead`;
    return row;
  };
  const before = await read();
  return async () => {
    const after = await read();
    return { walBytes: after.wal - before.wal, deadRows: after.dead - before.dead };
  };
}
