import type { Database } from '../database/connect.ts';
import { listRights, processRoles } from '../migrate/grant-rights.ts';
import type { Tampering } from './tampering.ts';

/**
 * Rights that the roles of the processes have and should not have, or the other way round; also what else these roles may
 * do. Nothing is missing where the roles are not in use.
 *
 * Caller: the doctor.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findWrongRights(db: Database): Promise<Tampering[]> {
  const expected = JSON.stringify(listRights());
  const roles = JSON.stringify(processRoles);
  return db.query(
    (sql) => sql<Tampering[]>`
      with role as materialized (
        select r.* from pg_roles r
        where r.rolname in (select json_array_elements_text(${roles}::text::json)::name)
      ), wanted as materialized (
        select role, "on" as kind, name, "column" as column_name, privilege
        from json_to_recordset(${expected}::text::json)
          as e (role text, "on" text, name text, "column" text, privilege text)
      ), given as materialized (
        select r.rolname::text as role, o.kind, o.name::text, o.column_name::text, a.privilege_type as privilege, a.is_grantable
        from (
          select case c.relkind when 'S' then 'sequence' else 'table' end as kind, c.relname as name, null::name as column_name,
            c.relacl as acl
          from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'auditbox'
          union all
          select 'table', c.relname, t.attname, t.attacl
          from pg_attribute t join pg_class c on c.oid = t.attrelid join pg_namespace n on n.oid = c.relnamespace
          where n.nspname = 'auditbox' and t.attacl is not null and not t.attisdropped
          union all
          select 'function', p.proname, null, p.proacl
          from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = 'auditbox'
          union all
          select 'schema', n.nspname, null, n.nspacl from pg_namespace n where n.nspname = 'auditbox'
        ) o
        cross join lateral aclexplode(o.acl) a join role r on r.oid = a.grantee
      ), target as (
        select w.role, w.kind, w.name, w.column_name, w.privilege, false as is_extra
        from (
          select * from wanted
          union all
          select rolname::text, 'schema', n.nspname::text, null, 'USAGE' from role cross join pg_namespace n
          where n.nspname = 'auditbox'
        ) w
        where exists (select from given) and not exists (
          select from given g
          where (g.role, g.kind, g.name, g.privilege) = (w.role, w.kind, w.name, w.privilege)
            and (g.column_name is null or g.column_name = w.column_name)
        )
        union all
        select g.role, g.kind, g.name, g.column_name, g.privilege, true
        from given g
        where (g.kind <> 'schema' or g.privilege <> 'USAGE') and not exists (
          select from wanted w
          where (w.role, w.kind, w.name, w.privilege) = (g.role, g.kind, g.name, g.privilege)
            and w.column_name is not distinct from g.column_name
        )
      )
      select format('%s %s %s on %s', t.role, case when t.is_extra then 'has' else 'lacks' end,
          t.privilege, case when t.column_name is null then '' else t.column_name || ' of ' end || t.kind || ' ' || t.name) as says,
        case
          -- Without the right to the whole table, Postgres removes those to its columns too.
          when t.is_extra and t.column_name is null and exists (
            select from wanted w where (w.role, w.kind, w.name, w.privilege) = (t.role, t.kind, t.name, t.privilege)
          ) then 'npm run migrate'
          else format(case when t.is_extra then 'revoke %s on %s from %I' else 'grant %s on %s to %I' end,
          lower(t.privilege) || coalesce(' (' || quote_ident(t.column_name) || ')', ''),
          case t.kind
            when 'schema' then format('schema %I', t.name)
            when 'function' then 'function ' || coalesce(
              (select min(p.oid::regprocedure::text) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
               where n.nspname = 'auditbox' and p.proname = t.name), t.name)
            else case t.kind when 'sequence' then 'sequence ' else '' end || format('auditbox.%I', t.name)
          end, t.role)
        end as remedy
      from target t
      -- Some relations and functions may be missing, which other checks name.
      where t.is_extra or t.kind = 'schema'
        or exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
                   where n.nspname = 'auditbox' and c.relname = t.name)
        or exists (select from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                   where n.nspname = 'auditbox' and p.proname = t.name)
      union all
      select format('%s may pass on %s on %s %s', g.role, g.privilege, g.kind, g.name),
        case when g.kind = 'table' and g.column_name is null
          then format('revoke grant option for %s on auditbox.%I from %I', lower(g.privilege), g.name, g.role) end
      from given g where g.is_grantable
      union all
      select format('%s is a member of %s', r.rolname, m.roleid::regrole), format('revoke %s from %I', m.roleid::regrole, r.rolname)
      from role r join pg_auth_members m on m.member = r.oid
      union all
      select format('%s may log in, bypass rules or change other roles', rolname),
        format('alter role %I nologin nosuperuser nobypassrls nocreaterole nocreatedb noreplication', rolname)
      from role where rolcanlogin or rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication
      order by says`,
  );
}
