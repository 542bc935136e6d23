import type { Database } from '../database/connect.ts';

/**
 * Records that the whole database was compared with a destination.
 *
 * Caller: `--verify`, at its end.
 * Locks: none that others wait for.
 * Crash: the comparison before is still the newest one.
 */
export async function recordVerify(
  db: Database,
  { destination, objects, differences }: { destination: string; objects: number; differences: number },
): Promise<void> {
  await db.query(
    (sql) => sql`
      insert into auditbox.last_verify (destination, objects, differences)
      values (${destination}, ${objects}::bigint, ${differences}::bigint)
      on conflict (destination) do update
      set finished_at = clock_timestamp(), objects = excluded.objects, differences = excluded.differences`,
  );
}

/** The newest whole comparison with a destination. */
export interface LastVerify {
  readonly destination: string;
  readonly ageS: number;
  readonly differences: number;
}

/**
 * Caller: the exporter's metrics, `GET /exports`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listLastVerifies(db: Database): Promise<LastVerify[]> {
  return db.query(
    (sql) => sql<LastVerify[]>`
      select destination, extract(epoch from statement_timestamp() - finished_at)::float8 as "ageS",
        differences::float8 as differences
      from auditbox.last_verify`,
  );
}
