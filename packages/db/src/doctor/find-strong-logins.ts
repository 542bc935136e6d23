import type { Database } from '../database/connect.ts';
import { processRoles } from '../migrate/grant-rights.ts';
import type { Tampering } from './tampering.ts';

/** Roles of Postgres that read or change what the rights on tables and the triggers protect. */
const strongRoles = [
  'pg_read_all_data',
  'pg_write_all_data',
  'pg_maintain',
  'pg_execute_server_program',
  'pg_read_server_files',
  'pg_write_server_files',
];

/**
 * Members of the processes' roles that have more than that: they are superusers, own the schema, or are members of two of
 * the roles, so that one process does what another should check. Also others who may read keys' hashes.
 *
 * Caller: the doctor.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findStrongLogins(db: Database): Promise<Tampering[]> {
  return db.query(
    (sql) => sql<Tampering[]>`
      with recursive membership as (
        select m.member, m.roleid from pg_auth_members m
        -- From Postgres 16 on, the creator of a role may pass it on without having its rights.
        where coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true) or coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)
      ), reached as (
        select member, roleid from membership
        union
        select r.member, m.roleid from reached r join membership m on m.member = r.roleid
      ), process as (
        select r.member as oid, l.rolname, l.rolsuper or l.rolbypassrls or l.rolreplication as is_strong, p.rolname as role
        from reached r join pg_roles l on l.oid = r.member join pg_roles p on p.oid = r.roleid
        where p.rolname in (select * from json_array_elements_text(${JSON.stringify(processRoles)}::text::json))
      )
      select distinct format('%s, a member of %s, is a superuser, bypasses row-level security or may replicate', rolname, role) as says,
        format('alter role %I nosuperuser nobypassrls noreplication', rolname) as remedy
      from process where is_strong
      union
      select format('%s, a member of %s, is also a member of %s', p.rolname, p.role, r.roleid::regrole),
        format('revoke %s from %I', r.roleid::regrole, p.rolname)
      from process p join reached r on r.member = p.oid
      where r.roleid = (select n.nspowner from pg_namespace n where n.nspname = 'auditbox')
        or r.roleid::regrole::text in (select * from json_array_elements_text(${JSON.stringify(strongRoles)}::text::json))
      union
      select format('%s is a member of %s: one process could do what another should check', rolname, string_agg(role, ' and ' order by role)),
        format('revoke %I from %I', max(role), rolname)
      from process group by oid, rolname having count(*) > 1
      union
      select format('%s may read the table %s', a.grantee::regrole, c.relname),
        format('revoke all on auditbox.%I from %s', c.relname, a.grantee::regrole)
      from pg_class c join pg_namespace n on n.oid = c.relnamespace cross join aclexplode(c.relacl) a
      where n.nspname = 'auditbox' and c.relname in ('api_key', 'secret') and a.privilege_type = 'SELECT'
        and a.grantee not in (0, c.relowner)
        -- Their rights are compared one by one.
        and a.grantee::regrole::text not in (select * from json_array_elements_text(${JSON.stringify(processRoles)}::text::json))
      order by says`,
  );
}
