import type { Sql } from 'postgres';

/**
 * Makes the three group roles where they are missing; nobody logs in as one of them. Roles belong to the whole cluster, so
 * migrators of other databases may make them at this moment: whoever comes second finds them. Called by
 * `npm run migrate -- --roles`; locks nothing. If we die right after, they are there and have no rights. Throws 42501 when
 * one is missing and this role may not make it.
 */
export async function makeRoles(sql: Sql): Promise<void> {
  await sql`
    do $$
    declare
      name text;
    begin
      foreach name in array array['auditbox_api', 'auditbox_exporter', 'auditbox_retention'] loop
        if exists (select from pg_roles where rolname = name) then
          continue;
        end if;
        begin
          execute format('create role %I nologin', name);
        exception when duplicate_object or unique_violation then
          null; -- Made by another migrator meanwhile.
        end;
      end loop;
    end $$`;
}
