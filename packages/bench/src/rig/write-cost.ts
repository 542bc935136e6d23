import type { BenchDatabase } from './rig.ts';

/** What Postgres wrote during a measurement. */
export interface WriteCost {
  readonly walBytes: number;
  /** Row versions that updates and deletes left for vacuum. */
  readonly deadRows: number;
  /** The part of them in the outbox, whatever its name. */
  readonly deadOutboxRows: number;
}

/** Starts counting. The returned function reports the writes since then; the writing processes must have ended before. */
export async function countWrites({ sql }: BenchDatabase): Promise<() => Promise<WriteCost>> {
  const read = async () => {
    const [row] = await sql<[{ wal: number; dead: number; deadOutbox: number }]>`
      select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8 as wal,
        coalesce(sum(n_tup_upd + n_tup_del), 0)::float8 as dead,
        coalesce(sum(n_tup_upd + n_tup_del) filter (where relname = 'outbox'), 0)::float8 as "deadOutbox"
      from pg_stat_user_tables`;
    return row;
  };
  const before = await read();
  return async () => {
    const after = await read();
    return {
      walBytes: after.wal - before.wal,
      deadRows: after.dead - before.dead,
      deadOutboxRows: after.deadOutbox - before.deadOutbox,
    };
  };
}
