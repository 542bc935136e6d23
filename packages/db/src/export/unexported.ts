import type { Database } from '../database/connect.ts';

/** What a destination does not have. The first two are yes or no, because counting them grows with the backlog. */
export interface Unexported {
  /** Rows in no batch. */
  readonly anyPending: boolean;
  /** Deliveries that are sealed or being sent. */
  readonly anyInFlight: boolean;
  readonly failedDeliveries: number;
  readonly rejectedRows: number;
}

/**
 * The newest outbox row: what a drain that begins now must export.
 *
 * Caller: drain.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function lastOutboxId(db: Database): Promise<string> {
  const [row] = await db.query(
    (sql) => sql<[{ id: string }]>`select coalesce(max(id), 0)::text as id from auditbox.outbox`,
  );
  return row.id;
}

/**
 * What is left of the outbox rows up to an id. A destination that is paused waits for a person and is not asked.
 *
 * Caller: drain, to know when to stop.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findUnexported(
  db: Database,
  { destination, upTo }: { destination: string; upTo: string },
): Promise<Unexported> {
  const [row] = await db.query(
    (sql) => sql<[Unexported]>`
      select
        exists (
          select from auditbox.frontier f cross join lateral (
            select from auditbox.outbox o where o.id > f.sealed_up_to and o.id <= ${upTo} limit 1
          ) behind
        ) or exists (
          select from auditbox.frontier f cross join lateral unnest(f.gaps) as gap cross join lateral (
            select from auditbox.outbox o
            where o.id >= lower(gap) and o.id < upper(gap) and o.id <= ${upTo} limit 1
          ) waiting
        ) as "anyPending",
        exists (
          select from auditbox.delivery d join auditbox.batch b on b.id = d.batch_id
          where d.destination = ${destination} and d.state in ('sealed', 'sending') and lower(b.outbox_ids) <= ${upTo}
        ) as "anyInFlight",
        (
          select count(*) from auditbox.delivery where destination = ${destination} and state = 'failed'
        )::int as "failedDeliveries",
        (
          select count(*) from auditbox.rejection where destination = ${destination} and replayed_in is null
        )::int as "rejectedRows"`,
  );
  return row;
}

/**
 * Whether a destination has a delivery that an attempt takes sooner or later. One of a paused destination waits for a person.
 *
 * Caller: the exporter, before it probes a destination without a batch.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function hasDeliveryToTry(db: Database, destination: string): Promise<boolean> {
  const [row] = await db.query(
    (sql) => sql<[{ found: boolean }]>`
      select exists (select from auditbox.destination where name = ${destination} and not is_paused) and exists (
        select from auditbox.delivery where destination = ${destination} and state in ('sealed', 'sending')
      ) as found`,
  );
  return row.found;
}
