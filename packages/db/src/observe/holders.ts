import type { Database } from '../database/connect.ts';

/*
 * What keeps Postgres from removing dead rows. While it lasts, index entries of sealed rows stay, and each poll and sweep
 * reads more of them. Sessions of other roles are visible only with pg_read_all_stats: for the metrics the owner of the
 * schema needs it, for the doctor the login that runs it. What replicas hold by hot_standby_feedback is not visible here.
 */

/**
 * How long the oldest open transaction of this database has held dead rows, in seconds; 0 without an open transaction.
 *
 * Caller: the exporter's metrics.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function horizonHeldS(db: Database): Promise<number> {
  const [row] = await db.query(
    (sql) => sql<[{ heldS: number }]>`select held_s as "heldS" from auditbox.oldest_transaction()`,
  );
  return row.heldS;
}

/** A session, prepared transaction or slot that holds dead rows. */
export interface Holder {
  readonly kind: 'session' | 'prepared transaction' | 'replication slot';
  /** `pid 4711 (psql)`, or the name of the prepared transaction or slot. */
  readonly name: string;
  /** Null for a slot, because Postgres does not record its time. */
  readonly openForS: number | null;
  /** The statement that ends it. */
  readonly statement: string;
}

/**
 * Open transactions of this database, the oldest first, and replication slots without a reader that hold rows.
 *
 * Caller: the doctor.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listHolders(db: Database): Promise<Holder[]> {
  return db.query(
    (sql) => sql<Holder[]>`
      select kind, name, extract(epoch from clock_timestamp() - began_at)::float8 as "openForS", statement
      from (
        select 'session' as kind, format('pid %s (%s, %s)', pid, coalesce(nullif(application_name, ''), 'no name'), state) as name,
          xact_start as began_at, format('select pg_terminate_backend(%s)', pid) as statement
        from pg_stat_activity
        where (backend_xmin is not null or backend_xid is not null)
          and datname = current_database() and pid <> pg_backend_pid()
          and backend_type <> 'autovacuum worker'
        union all
        -- Citus finds out for itself whether the coordinator committed. Nobody else may decide it.
        select 'prepared transaction', gid, prepared,
          case when starts_with(gid, 'citus_') then 'select recover_prepared_transactions()' else format('rollback prepared %L', gid) end
        from pg_prepared_xacts where database = current_database()
        union all
        select 'replication slot', slot_name, null, format('select pg_drop_replication_slot(%L)', slot_name)
        from pg_replication_slots where xmin is not null and not active
      ) holders
      order by began_at nulls first`,
  );
}
