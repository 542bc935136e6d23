import type { Database } from '../database/connect.ts';

/** What vacuum did and will do for one of our tables, or for a month of one. */
export interface TableUpkeep {
  /** With its schema, because statements of people need it. */
  readonly name: string;
  readonly autovacuum: boolean;
  /** By the server's statistics, which are estimates. */
  readonly deadRows: number;
  /** Autovacuum starts at this number of dead rows. */
  readonly deadRowsBound: number;
  readonly lastAutovacuum: string | null;
  /** Transactions since its oldest row that is not frozen. */
  readonly age: number;
  /** Autovacuum freezes at this age, even where it is off. */
  readonly maxAge: number;
}

/**
 * Our tables and months that hold rows.
 *
 * Caller: the doctor.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listTables(db: Database, names: readonly string[]): Promise<TableUpkeep[]> {
  return db.query(
    (sql) => sql<TableUpkeep[]>`
      with roots as (
        select to_regclass(format('auditbox.%I', name)) as oid
        from json_array_elements_text(${JSON.stringify(names)}::text::json) as name
      ), options as (
        select c.oid, json_object_agg(o.option_name, o.option_value) as given
        from pg_class c cross join pg_options_to_table(c.reloptions) o where c.relkind = 'r' group by c.oid
      )
      select format('%I.%I', n.nspname, c.relname) as name, coalesce((o.given ->> 'autovacuum_enabled')::boolean, true) as autovacuum,
        coalesce(s.n_dead_tup, 0)::float8 as "deadRows",
        coalesce((o.given ->> 'autovacuum_vacuum_threshold')::float8,
            current_setting('autovacuum_vacuum_threshold')::float8)
          + coalesce((o.given ->> 'autovacuum_vacuum_scale_factor')::float8,
            current_setting('autovacuum_vacuum_scale_factor')::float8) * greatest(c.reltuples, 0) as "deadRowsBound",
        to_char(s.last_autovacuum at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "lastAutovacuum",
        age(c.relfrozenxid)::float8 as age,
        least((o.given ->> 'autovacuum_freeze_max_age')::float8,
          current_setting('autovacuum_freeze_max_age')::float8) as "maxAge"
      from pg_class c join pg_namespace n on n.oid = c.relnamespace left join options o on o.oid = c.oid left join pg_stat_user_tables s on s.relid = c.oid
      where c.relkind = 'r' and (
        c.oid in (select oid from roots)
        or c.oid in (select inhrelid from pg_inherits where inhparent in (select oid from roots))
      )
      order by c.relname`,
  );
}

/** A partition of audit_log. */
export interface Partition {
  readonly name: string;
  readonly isDefault: boolean;
  /** The statement that detaches it. */
  readonly detach: string;
}

/**
 * Caller: the doctor.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listPartitions(db: Database): Promise<Partition[]> {
  return db.query(
    (sql) => sql<Partition[]>`
      select c.relname as name, pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT' as "isDefault",
        format('alter table auditbox.audit_log detach partition %I.%I', n.nspname, c.relname) as detach
      from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_namespace n on n.oid = c.relnamespace
      where i.inhparent = to_regclass('auditbox.audit_log') and not i.inhdetachpending
      order by c.relname`,
  );
}
