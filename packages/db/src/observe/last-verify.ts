import type { Database } from '../database/connect.ts';

/**
 * How far back a comparison must look for objects that it has all seen. A delivery gets its time of arrival before its commit,
 * and our statements are shorter.
 */
const longestCommit = '1 minute';

/**
 * What was done before this time is in a comparison that begins now.
 *
 * Caller: `--verify`, at its beginning.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function beginVerify(db: Database): Promise<string> {
  const [row] = await db.query(
    (sql) => sql<[{ before: string }]>`
      select to_char((clock_timestamp() - ${longestCommit}::interval) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        as before`,
  );
  return row.before;
}

/**
 * Records that the whole database was compared with a destination.
 *
 * Caller: `--verify`, at its end.
 * Locks: none that others wait for.
 * Crash: the comparison before is still the newest one.
 */
export async function recordVerify(
  db: Database,
  verify: { destination: string; objects: number; differences: number; completeBefore: string },
): Promise<void> {
  const { destination, objects, differences, completeBefore } = verify;
  await db.query(
    (sql) => sql`
      insert into auditbox.last_verify (destination, objects, differences, complete_before)
      values (${destination}, ${objects}::bigint, ${differences}::bigint, ${completeBefore}::timestamptz)
      on conflict (destination) do update
      set finished_at = clock_timestamp(), objects = excluded.objects, differences = excluded.differences,
        complete_before = excluded.complete_before`,
  );
}

/** The newest whole comparison with a destination. */
export interface LastVerify {
  readonly destination: string;
  readonly ageS: number;
  readonly objects: number;
  readonly differences: number;
}

/**
 * Caller: the exporter's metrics, `GET /exports`, `GET /archive`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listLastVerifies(db: Database): Promise<LastVerify[]> {
  return db.query(
    (sql) => sql<LastVerify[]>`
      select destination, extract(epoch from statement_timestamp() - finished_at)::float8 as "ageS",
        objects::float8 as objects, differences::float8 as differences
      from auditbox.last_verify`,
  );
}
