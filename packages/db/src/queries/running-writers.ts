import type { Database } from '../database/connect.ts';
import { isDistributed } from '../database/is-distributed.ts';

/** Transactions that write, or are about to. */
export interface RunningWriters {
  /** The database's time: ISO 8601 in UTC, six fraction digits. */
  readonly now: string;
  /** Names of sessions' transactions, and transaction ids: a prepared transaction has only these. */
  readonly writers: ReadonlySet<string>;
}

/**
 * The transactions that write now. In a distributed schema of Citus also those that the node of the shards has: Citus prepares a
 * transaction of several nodes there, and the session that began it may be gone before the transaction is committed.
 */
export async function findRunningWriters(db: Database): Promise<RunningWriters> {
  const { now, writers } = await findAtServer(db);
  return { now, writers: (await isDistributed(db)) ? writers.union(await findAtNode(db)) : writers };
}

/**
 * Caller: `findRunningWriters`, in a distributed schema.
 * Locks: those of the lock table of the node of the shards, for less than a millisecond.
 * Crash: nothing is written.
 */
async function findAtNode(db: Database): Promise<ReadonlySet<string>> {
  const [row] = await db.query(
    (sql) => sql<[{ found: string }]>`
      select auditbox.outbox_holders('[]') as found
      -- A table, so that Citus sends the statement to its node; there may be no row.
      from (select 1) one left join auditbox.frontier on true`,
  );
  const { holders } = JSON.parse(row.found) as { readonly holders: readonly string[] };
  return new Set(holders.map((id) => `node ${id}`));
}

/**
 * The transactions that have, or wait for, the lock of an insert into audit_log, one of its months, or the outbox.
 *
 * Caller: `GET /audit` from an event time to now, on the primary.
 * Locks: those of the lock table, for less than a millisecond.
 * Crash: nothing is written.
 */
async function findAtServer(db: Database): Promise<RunningWriters> {
  const [row] = await db.query(
    (sql) => sql<[{ now: string; writers: string }]>`
      with lock as materialized (
        select locktype, relation, database, mode, virtualtransaction, pid, transactionid::text as xid
        from pg_catalog.pg_locks
      ), writer as (
        select distinct virtualtransaction, pid from lock
        where locktype = 'relation' and mode = 'RowExclusiveLock'
          and database = (select oid from pg_catalog.pg_database where datname = current_database())
          and (relation in ('auditbox.audit_log'::regclass, 'auditbox.outbox'::regclass)
            or relation in (select inhrelid from pg_catalog.pg_inherits where inhparent = 'auditbox.audit_log'::regclass))
      )
      select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now,
        coalesce(json_agg(name), '[]')::text as writers
      from (
        select virtualtransaction as name from writer where pid is not null
        union all
        select lock.xid from lock join writer on writer.virtualtransaction = lock.virtualtransaction
          and writer.pid is not distinct from lock.pid
        where lock.locktype = 'transactionid' and lock.mode = 'ExclusiveLock'
      ) named`,
  );
  return { now: row.now, writers: new Set(JSON.parse(row.writers)) };
}

/**
 * The database's time before which every running transaction began, or null if the owner of the schema may not see that.
 *
 * Caller: `GET /audit` from an event time to now, on the primary.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function oldestStart(db: Database): Promise<string | null> {
  const [row] = await db.query(
    (sql) => sql<[{ start: string | null }]>`
      select to_char(
          (clock_timestamp() - age_s * interval '1 second') at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as start
      from auditbox.oldest_transaction() as oldest (age_s, is_complete) where is_complete
      union all select null limit 1`,
  );
  return row.start;
}
