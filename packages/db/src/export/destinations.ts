import type { Database } from '../database/connect.ts';

/** A destination that the database knows. */
export interface KnownDestination {
  readonly name: string;
  readonly isPaused: boolean;
}

/**
 * Caller: the exporter at its start, commands.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listDestinations(db: Database): Promise<KnownDestination[]> {
  return db.query(
    (sql) => sql<KnownDestination[]>`select name, is_paused as "isPaused" from auditbox.destination order by name`,
  );
}

/**
 * Adds a destination: from now on each seal makes a delivery for it. False if it was there. Its history is added by
 * `addHistory`.
 *
 * Caller: the exporter at its start, commands.
 * Locks: waits for a month that is being dropped.
 * Crash: the destination is there, or the call can be repeated.
 */
export async function addDestination(db: Database, name: string): Promise<boolean> {
  const rows = await db.query(
    (sql) => sql`
    insert into auditbox.destination (name) values (${name}) on conflict do nothing returning name`,
  );
  return rows.length === 1;
}

/** Where the next block of a history begins, and what this one did. */
export interface HistoryBlock {
  /** Null at the end. */
  readonly nextBehind: string | null;
  readonly added: number;
}

/**
 * Gives a destination the deliveries of old batches behind a batch id, of those that a seal made without it. Batches whose
 * event time is before `since`, or whose month was dropped, are left out.
 *
 * Caller: the command that adds history, block after block, from `'0'`, after `addDestination` committed.
 * Locks: none that others wait for.
 * Crash: the call can be repeated; a delivery that is there stays as it is.
 */
export async function addHistory(
  db: Database,
  request: { destination: string; behind: string; maxBatches: number; since: string | null },
): Promise<HistoryBlock> {
  const { destination, behind, maxBatches, since } = request;
  const [row] = await db.query(
    (sql) => sql<[HistoryBlock]>`
    with month as materialized (
      select starts_at, ends_at from auditbox.list_months()
    ), block as materialized (
      select b.id, b.first_occurred_at, b.last_occurred_at
      from auditbox.batch b where b.id > ${behind} and b.replay_for is null
      order by b.id
      limit ${maxBatches}
    ), added as (
      insert into auditbox.delivery (destination, batch_id)
      select d.name, b.id
      from block b join auditbox.destination d on d.name = ${destination}
      where (${since}::timestamptz is null or b.last_occurred_at >= ${since}::timestamptz)
        and exists (select from month m where b.first_occurred_at >= m.starts_at and b.last_occurred_at < m.ends_at)
      on conflict do nothing
      returning 1
    )
    select (select max(id) from block)::text as "nextBehind", (select count(*) from added)::int as added`,
  );
  return row;
}

/**
 * Stops or resumes a destination. While it is paused its deliveries are made and wait. False if there is no such
 * destination.
 *
 * Caller: commands.
 * Locks: the destination's row.
 * Crash: the state is one of the two.
 */
export async function pauseDestination(db: Database, name: string, isPaused: boolean): Promise<boolean> {
  const rows = await db.query(
    (sql) => sql`update auditbox.destination set is_paused = ${isPaused} where name = ${name} returning name`,
  );
  return rows.length === 1;
}

/**
 * Removes a destination, and up to `maxRows` of its deliveries and rejections. Returns how many rows went; the caller
 * repeats it until none did. What the destination has received is forgotten here and stays there.
 *
 * Caller: commands.
 * Locks: the rows that go.
 * Crash: no more deliveries are made; the call can be repeated.
 */
export async function removeDestination(db: Database, name: string, maxRows: number): Promise<number> {
  await db.query((sql) => sql`delete from auditbox.destination where name = ${name}`);
  const [row] = await db.query(
    (sql) => sql<[{ rows: number }]>`
    with rejections as (
      delete from auditbox.rejection where (destination, batch_id, outbox_id) in (
        select destination, batch_id, outbox_id from auditbox.rejection where destination = ${name} limit ${maxRows}
      ) returning 1
    ), deliveries as (
      delete from auditbox.delivery where destination = ${name} and batch_id in (
        select batch_id from auditbox.delivery where destination = ${name} limit ${maxRows}
      ) returning 1
    )
    select ((select count(*) from rejections) + (select count(*) from deliveries))::int as rows`,
  );
  return row.rows;
}
