import type { Database } from '../database/connect.ts';

/**
 * Which of these ids are taken, also by events that retention removed.
 *
 * Caller: the api with several cells, before it writes an event into another cell than the one that had its id before.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findTakenIds(db: Database, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const rows = await db.query(
    (sql) => sql<{ id: string }[]>`
      select taken.id::text from json_array_elements_text(${JSON.stringify(ids)}::text::json) as wanted (id)
      cross join lateral (
        -- Keeps the look-up an index scan.
        select audit_id as id from auditbox.outbox where audit_id = wanted.id::uuid offset 0
      ) taken`,
  );
  return new Set(rows.map(({ id }) => id));
}
