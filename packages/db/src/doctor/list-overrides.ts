import type { Database } from '../database/connect.ts';

/** A setting that ALTER DATABASE or ALTER ROLE gave to sessions that may write events. */
export interface Override {
  readonly value: string;
  /** What it was given to: `alter database auditbox`. */
  readonly statement: string;
}

/**
 * Overrides of a setting, of this database or of roles that may insert into audit_log. Called by `npm run doctor`; takes no
 * locks.
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
        and (s.setrole = 0 or has_table_privilege(s.setrole, to_regclass('public.audit_log'), 'insert'))
      order by statement`,
  );
}
