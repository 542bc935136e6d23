import type { Database } from '../database/connect.ts';

/**
 * The places in the log of a destination's objects, by key. Objects that the log does not have are left out.
 *
 * Caller: `npm run archive -- compact`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findLogPlaces(
  db: Database,
  destination: string,
  batchIds: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const rows = await db.query(
    (sql) => sql<{ key: string; index: number }[]>`
      select d.object_key as key, d.log_index::float8 as index
      from json_array_elements_text(${JSON.stringify(batchIds)}::text::json) as wanted (id)
      join auditbox.delivery d on d.batch_id = wanted.id::bigint and d.destination = ${destination}
      where d.log_index is not null`,
  );
  return new Map(rows.map(({ key, index }) => [key, index]));
}
