import type { Database } from '../database/connect.ts';
import { type ChangedBy, printActor } from '../keys/changed-by.ts';

/** A destination that the database knows. */
export interface KnownDestination {
  readonly name: string;
  readonly isPaused: boolean;
  /** Whether deliveries of old batches are still being added. */
  readonly addsHistory: boolean;
}

/**
 * Caller: the exporter at its start, commands.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listDestinations(db: Database): Promise<KnownDestination[]> {
  return db.query(
    (sql) => sql<KnownDestination[]>`
      select name, is_paused as "isPaused", history_behind is not null as "addsHistory"
      from auditbox.destination order by name`,
  );
}

/** How a destination begins. */
export interface NewDestination {
  readonly isPaused: boolean;
  /** Null begins with the next seal. A null `since` asks for all batches. */
  readonly history: { readonly since: string | null } | null;
}

/**
 * Adds a destination: from now on each seal makes a delivery for it. False if it was there. Its history is added by
 * `continueHistory` or `addHistory`.
 *
 * Caller: the exporter at its start, commands.
 * Locks: waits for a month that is being dropped.
 * Crash: the destination is there, or the call can be repeated.
 */
export async function addDestination(
  db: Database,
  name: string,
  { isPaused, history }: NewDestination = { isPaused: false, history: null },
): Promise<boolean> {
  const rows = await db.query(
    (sql) => sql`
    insert into auditbox.destination (name, is_paused, history_since, history_behind)
    values (${name}, ${isPaused}, ${history?.since ?? null}::timestamptz, ${history === null ? null : 0}::bigint)
    on conflict do nothing returning name`,
  );
  return rows.length === 1;
}

/**
 * Stops or resumes a destination. While it is paused its deliveries are made and wait. False if there is no such
 * destination. `by` writes an audit event that names the person, unless nothing changes.
 *
 * Caller: commands, and the api.
 * Locks: the destination's row.
 * Crash: the state is one of the two, with its event.
 */
export async function pauseDestination(
  db: Database,
  name: string,
  isPaused: boolean,
  by: ChangedBy | null = null,
): Promise<boolean> {
  const [row] = await db.query(
    (sql) => sql<[{ isKnown: boolean }]>`
      select auditbox.pause_destination(${name}, ${isPaused}, ${by && printActor(by)}::text::json) as "isKnown"`,
  );
  return row.isKnown;
}

/**
 * Removes a destination, and up to `maxRows` of its deliveries and rejections, the oldest first. Returns how many rows went;
 * the caller repeats it until none did. What the destination has received is forgotten here and stays there.
 *
 * Caller: commands.
 * Locks: the rows that go. Waits for a seal that makes a delivery for the destination; a later seal makes no more.
 * Crash: no more deliveries are made; the call can be repeated.
 */
export async function removeDestination(db: Database, name: string, maxRows: number): Promise<number> {
  await db.query((sql) => sql`delete from auditbox.destination where name = ${name}`);
  const [row] = await db.query(
    (sql) => sql<[{ rows: number }]>`
    with rejections as (
      delete from auditbox.rejection where (destination, batch_id, outbox_id) in (
        select destination, batch_id, outbox_id from auditbox.rejection where destination = ${name}
        order by batch_id, outbox_id limit ${maxRows}
      ) returning 1
    ), deliveries as (
      delete from auditbox.delivery where destination = ${name} and batch_id in (
        select batch_id from auditbox.delivery where destination = ${name} order by batch_id limit ${maxRows}
      ) returning 1
    )
    select ((select count(*) from rejections) + (select count(*) from deliveries))::int as rows`,
  );
  return row.rows;
}

/**
 * How many deliveries and rejections a destination has; `most` of each are counted. After a removal that was interrupted there are some,
 * although the destination is unknown.
 *
 * Caller: the command that removes.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function countLeftovers(db: Database, name: string, most: number | null = null): Promise<number> {
  const [row] = await db.query(
    (sql) => sql<[{ rows: number }]>`
      select ((select count(*) from (select from auditbox.delivery where destination = ${name} limit ${most}) d)
        + (select count(*) from (select from auditbox.rejection where destination = ${name} limit ${most}) r))::int as rows`,
  );
  return row.rows;
}
