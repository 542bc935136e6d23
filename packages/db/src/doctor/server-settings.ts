import type { Database } from '../database/connect.ts';

/** Settings that decide whether a commit is durable. */
export interface Durability {
  /** The default for sessions of this role in this database. */
  readonly synchronousCommit: string;
  readonly fsync: string;
  readonly fullPageWrites: string;
  readonly synchronousReplicas: boolean;
}

/**
 * Caller: the doctor, on a connection that sets nothing itself (`ownCommit: false`).
 * Locks: none.
 * Crash: nothing is written.
 */
export async function readDurability(db: Database): Promise<Durability> {
  const [row] = await db.query(
    (sql) => sql<[Durability]>`
      select current_setting('synchronous_commit') as "synchronousCommit", current_setting('fsync') as fsync,
        current_setting('full_page_writes') as "fullPageWrites",
        current_setting('synchronous_standby_names') <> '' as "synchronousReplicas"`,
  );
  return row;
}

export interface Autovacuum {
  readonly autovacuum: boolean;
  readonly trackCounts: boolean;
}

/**
 * Whether the server vacuums by itself.
 *
 * Caller: the doctor.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function readAutovacuum(db: Database): Promise<Autovacuum> {
  const [row] = await db.query(
    (sql) => sql<[Autovacuum]>`
      select current_setting('autovacuum')::boolean as autovacuum, current_setting('track_counts')::boolean as "trackCounts"`,
  );
  return row;
}

/** A value that ALTER DATABASE or ALTER ROLE gave to a setting, for sessions that may write events. */
export interface Override {
  readonly value: string;
  /** The statement's beginning: `alter database auditbox`. */
  readonly statement: string;
}

/**
 * Overrides of a setting, by this database or by roles that may insert into audit_log.
 *
 * Caller: the doctor.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listOverrides(db: Database, name: string): Promise<Override[]> {
  return db.query(
    (sql) => sql<Override[]>`
      select o.option_value as value,
        concat_ws(' in database ',
          case when s.setrole = 0 then format('alter database %I', current_database())
            else format('alter role %I', pg_get_userbyid(s.setrole)) end,
          case when s.setrole <> 0 and s.setdatabase <> 0 then quote_ident(current_database()) end) as statement
      from pg_db_role_setting s cross join pg_options_to_table(s.setconfig) o
      where o.option_name = ${name}
        and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
        and (s.setrole = 0 or has_table_privilege(s.setrole, to_regclass('auditbox.audit_log'), 'insert'))
      order by statement`,
  );
}
