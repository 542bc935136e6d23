import type { Database } from '../database/connect.ts';

/** A root that was or will be signed. */
export interface StoredCheckpoint {
  readonly size: number;
  /** 64 hexadecimal digits. */
  readonly root: string;
  /** Null until it is signed. */
  readonly note: string | null;
}

/**
 * Decides the root of a size, for ever, and returns it: another exporter may have been first.
 *
 * Caller: the exporter, before it signs.
 * Locks: none that others wait for.
 * Crash: the next exporter signs the root that is stored.
 */
export async function fixRoot(
  db: Database,
  destination: string,
  { size, root }: { size: number; root: string },
): Promise<StoredCheckpoint> {
  await db.query(
    (sql) => sql`
      insert into auditbox.log_checkpoint (destination, size, root) values (${destination}, ${size}, ${root})
      on conflict do nothing`,
  );
  const [stored] = await listCheckpoints(db, destination, [size]);
  if (stored === undefined) throw new Error(`The checkpoint of size ${size} is gone.`);
  return stored;
}

/**
 * Stores the note of a size and returns the note that is stored: another exporter may have been first.
 *
 * Caller: the exporter, before the note is published.
 * Locks: the checkpoint's row.
 * Crash: the note is there or not; Ed25519 makes the same one again.
 */
export async function storeNote(
  db: Database,
  destination: string,
  { size, note }: { size: number; note: string },
): Promise<string> {
  await db.query(
    (sql) => sql`
      update auditbox.log_checkpoint set note = ${note}
      where destination = ${destination} and size = ${size} and note is null`,
  );
  const [stored] = await listCheckpoints(db, destination, [size]);
  return stored?.note ?? note;
}

/**
 * Records that the checkpoint of a size lies in the bucket.
 *
 * Caller: the exporter, after it was published.
 * Locks: the log's row.
 * Crash: the next exporter finds the checkpoint in the bucket.
 */
export async function markPublished(db: Database, destination: string, size: number): Promise<void> {
  await db.query(
    (sql) => sql`
      update auditbox.log_head set published_size = ${size} where destination = ${destination} and published_size < ${size}`,
  );
}

/**
 * The checkpoints of these sizes that the database knows.
 *
 * Caller: the exporter, to find out whether the bucket is ahead of the database.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listCheckpoints(
  db: Database,
  destination: string,
  sizes: readonly number[],
): Promise<StoredCheckpoint[]> {
  return db.query(
    (sql) => sql<StoredCheckpoint[]>`
      select size::float8, root, note from auditbox.log_checkpoint
      where destination = ${destination}
        and size in (select value::bigint from json_array_elements_text(${JSON.stringify(sizes)}::text::json))
      order by size`,
  );
}

/**
 * The newest checkpoint that lies in the bucket; null without one.
 *
 * Caller: the api.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function newestCheckpoint(
  db: Database,
  destination: string,
): Promise<{ readonly size: number; readonly note: string } | null> {
  const [row] = await db.query(
    (sql) => sql<{ size: number; note: string }[]>`
      select c.size::float8, c.note
      from auditbox.log_head h join auditbox.log_checkpoint c on c.destination = h.destination and c.size = h.published_size
      where h.destination = ${destination} and c.note is not null`,
  );
  return row ?? null;
}
