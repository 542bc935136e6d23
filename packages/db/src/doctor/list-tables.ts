import type { Database } from '../database/connect.ts';

/** How one of our tables, or a partition of one, is kept by vacuum. */
export interface TableUpkeep {
  readonly name: string;
  readonly autovacuum: boolean;
  /** As the statistics count them. */
  readonly deadRows: number;
  /** Autovacuum comes at so many. */
  readonly deadRowsBound: number;
  readonly lastAutovacuum: string | null;
  /** How many transactions ago its oldest row was not frozen yet. */
  readonly age: number;
  /** Autovacuum freezes at this age, even where it is off. */
  readonly maxAge: number;
}

/** Our tables and partitions that hold rows. Called by `npm run doctor`; reads catalogs and statistics, takes no locks. */
export async function listTables(db: Database, names: readonly string[]): Promise<TableUpkeep[]> {
  return db.query(
    (sql) => sql<TableUpkeep[]>`
      with roots as (
        select to_regclass(format('public.%I', name)) as oid
        from json_array_elements_text(${JSON.stringify(names)}::text::json) as name
      ), options as (
        select c.oid, json_object_agg(o.option_name, o.option_value) as given
        from pg_class c cross join pg_options_to_table(c.reloptions) o where c.relkind = 'r' group by c.oid
      )
      select c.relname as name, coalesce((o.given ->> 'autovacuum_enabled')::boolean, true) as autovacuum,
        coalesce(s.n_dead_tup, 0)::float8 as "deadRows",
        coalesce((o.given ->> 'autovacuum_vacuum_threshold')::float8,
            current_setting('autovacuum_vacuum_threshold')::float8)
          + coalesce((o.given ->> 'autovacuum_vacuum_scale_factor')::float8,
            current_setting('autovacuum_vacuum_scale_factor')::float8) * greatest(c.reltuples, 0) as "deadRowsBound",
        to_char(s.last_autovacuum at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "lastAutovacuum",
        age(c.relfrozenxid)::float8 as age,
        least((o.given ->> 'autovacuum_freeze_max_age')::float8,
          current_setting('autovacuum_freeze_max_age')::float8) as "maxAge"
      from pg_class c left join options o on o.oid = c.oid left join pg_stat_user_tables s on s.relid = c.oid
      where c.relkind = 'r' and (
        c.oid in (select oid from roots)
        or c.oid in (select inhrelid from pg_inherits where inhparent in (select oid from roots))
      )
      order by c.relname`,
  );
}
