import type { Database } from '../connect.ts';

/** A setting that ALTER DATABASE or ALTER ROLE gave to sessions of this database. */
export interface Override {
  readonly name: string;
  readonly value: string;
  /** What takes it back, but for the setting's name: `alter database auditbox`. */
  readonly statement: string;
}

/** Overrides of the settings named, of this database or of roles in it. Called by `npm run doctor`; takes no locks. */
export async function listOverrides(db: Database, names: readonly string[]): Promise<Override[]> {
  return db.answer(
    () => db.sql<Override[]>`
      select o.option_name as name, o.option_value as value,
        concat_ws(' in database ',
          case when s.setrole = 0 then format('alter database %I', current_database())
            else format('alter role %I', pg_get_userbyid(s.setrole)) end,
          case when s.setrole <> 0 and s.setdatabase <> 0 then quote_ident(current_database()) end) as statement
      from pg_db_role_setting s cross join pg_options_to_table(s.setconfig) o
      where o.option_name in (select json_array_elements_text(${JSON.stringify(names)}::text::json))
        and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
      order by statement, name`,
  );
}
