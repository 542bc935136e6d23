import type { Database } from '../database/connect.ts';

/**
 * The key of the object that an event is in at a destination. Null while it is not there yet, and for an event that this
 * database does not know, or not any more.
 *
 * Caller: `npm run archive -- get`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findObjectKey(db: Database, id: string, destination: string): Promise<string | null> {
  const [row] = await db.query(
    (sql) => sql<{ key: string }[]>`
      select s.object_key as key
      from auditbox.outbox_status s
      where s.audit_id = ${id}::uuid and s.destination = ${destination} and s.object_key is not null`,
  );
  return row?.key ?? null;
}
