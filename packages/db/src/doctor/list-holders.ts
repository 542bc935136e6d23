import type { Database } from '../database/connect.ts';

/** Something that keeps Postgres from removing what it might still see. */
export interface Holder {
  readonly kind: 'session' | 'prepared transaction' | 'replication slot';
  /** `pid 4711 (psql)`, the prepared transaction's name, or the slot's. */
  readonly name: string;
  /** Null for a slot: nobody keeps its time. */
  readonly openForS: number | null;
  /** What ends it. */
  readonly statement: string;
}

/**
 * Open transactions of this database, the oldest first, and slots that nobody reads and that hold rows. Sessions of other
 * roles show only with pg_read_all_stats; what replicas hold by hot_standby_feedback does not show. Called by `npm run doctor`; takes no locks.
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
        select 'prepared transaction', gid, prepared, format('rollback prepared %L', gid)
        from pg_prepared_xacts where database = current_database()
        union all
        select 'replication slot', slot_name, null, format('select pg_drop_replication_slot(%L)', slot_name)
        from pg_replication_slots where xmin is not null and not active
      ) holders
      order by began_at nulls first`,
  );
}
