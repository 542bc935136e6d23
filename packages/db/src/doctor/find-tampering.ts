import type { Database } from '../database/connect.ts';
import { defaultSchema } from '../database/schema-name.ts';
import { processRoles } from '../migrate/grant-rights.ts';
import { listExpectedFunctions } from './expected-functions.ts';
import { findChangedObjects } from './find-changed-objects.ts';
import { findInRows } from './find-in-rows.ts';
import { findStrongLogins } from './find-strong-logins.ts';
import type { Tampering } from './tampering.ts';

/** What somebody changed in the schema, and in the rows that say what is exported. */
export async function findTampering(db: Database, schema: string = defaultSchema): Promise<Tampering[]> {
  return [
    ...(await findInCatalog(db, schema)),
    ...(await findChangedObjects(db, schema)),
    ...(await findStrongLogins(db)),
    ...(await findInRows(db)),
  ];
}

/**
 * What somebody changed in the schema: functions, rights, row-level security, persistence, months, sequences.
 *
 * Caller: the doctor.
 * Locks: none.
 * Crash: nothing is written.
 */
async function findInCatalog(db: Database, schema: string): Promise<Tampering[]> {
  const expected = JSON.stringify(listExpectedFunctions(schema));
  return db.query(
    (sql) => sql<Tampering[]>`
      with ours as (
        select c.oid, c.relname, c.relkind, c.relpersistence, c.relrowsecurity, c.relispartition, c.relowner, c.relacl, n.nspowner
        from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'auditbox'
      ), expected as (
        select * from json_to_recordset(${expected}::text::json) as e (name text, md5 text, "isDefiner" boolean, settings json)
      ), fn as (
        select p.*, n.nspowner from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = 'auditbox'
      )
      select format('the function %s is missing', e.name) as says, null as remedy
      from expected e where not exists (select from fn where fn.proname = e.name)
      union all
      select format('the function %s has another body', e.name), null
      from expected e join fn on fn.proname = e.name where md5(fn.prosrc) <> e.md5
      union all
      select format('the function %s has other settings: %s', e.name, coalesce(array_to_string(fn.proconfig, '; '), 'none')), null
      from expected e join fn on fn.proname = e.name
      where (
        select coalesce(json_agg(replace(one, '"', '') order by lower(one) collate "C"), '[]')::text
        from unnest(fn.proconfig) as one
      ) <> (
        select coalesce(json_agg(one order by lower(one) collate "C"), '[]')::text from json_array_elements_text(e.settings) as one
      )
      union all
      select format('the function %s runs with the rights of %s', e.name,
        case when prosecdef then 'its owner' else 'its caller' end), null
      from expected e join fn on fn.proname = e.name where prosecdef <> e."isDefiner"
      union all
      select format('%s may change the table %s', a.grantee::regrole, c.relname),
        format('revoke all on auditbox.%I from %s', c.relname, a.grantee::regrole)
      from (
        select relname, relowner, relacl from ours
        union all
        select c.relname, c.relowner, t.attacl from ours c join pg_attribute t on t.attrelid = c.oid where t.attacl is not null
      ) c cross join aclexplode(c.relacl) a
      where a.grantee not in (0, c.relowner) and a.privilege_type not in ('SELECT', 'USAGE')
        and (c.relname <> 'audit_log' or a.privilege_type <> 'INSERT')
        -- Their rights are compared one by one.
        and a.grantee::regrole::text not in (select * from json_array_elements_text(${JSON.stringify(processRoles)}::text::json))
      group by a.grantee, c.relname
      union all
      select format('%s may call the function %s', a.grantee::regrole, proname),
        format('revoke execute on function %s from %s', fn.oid::regprocedure, a.grantee::regrole)
      from fn cross join aclexplode(fn.proacl) a
      where a.grantee not in (0, fn.proowner) and proname not in ('record', 'make_month', 'list_months', 'audit_words', 'member_in_text')
        and a.grantee::regrole::text not in (select * from json_array_elements_text(${JSON.stringify(processRoles)}::text::json))
      union all
      select format('the function %s has a second form', proname), null from fn group by proname having count(*) > 1
      union all
      select format('the function %s runs with its owner''s rights and without search_path = pg_catalog, pg_temp', proname),
        format('alter function %s set search_path = pg_catalog, pg_temp', oid::regprocedure)
      from fn
      where prosecdef and not coalesce(proconfig, '{}') && array['search_path=pg_catalog, pg_temp', 'search_path="pg_catalog", "pg_temp"']
      union all
      select format('the function %s belongs to %s', proname, pg_get_userbyid(proowner)),
        format('alter function %s owner to %I', oid::regprocedure, pg_get_userbyid(nspowner))
      from fn where proowner <> nspowner
      union all
      select format('the table %s belongs to %s', relname, pg_get_userbyid(relowner)),
        format('alter table auditbox.%I owner to %I', relname, pg_get_userbyid(nspowner))
      from ours where relkind in ('r', 'p', 'v') and relowner <> nspowner
      union all
      select format('everybody may call the function %s', proname),
        format('revoke execute on function %s from public', oid::regprocedure)
      from fn where proname not in ('audit_words', 'member_in_text')
        and exists (select from aclexplode(coalesce(proacl, acldefault('f', proowner))) where grantee = 0)
      union all
      select format('everybody may use the table %s', relname), format('revoke all on auditbox.%I from public', relname)
      from ours where exists (select from aclexplode(relacl) where grantee = 0)
      union all
      select format('everybody may use the column %s of the table %s', t.attname, o.relname),
        format('revoke all (%I) on auditbox.%I from public', t.attname, o.relname)
      from ours o join pg_attribute t on t.attrelid = o.oid and not t.attisdropped
      where exists (select from aclexplode(t.attacl) where grantee = 0)
      union all
      select 'everybody may use the schema', 'revoke usage on schema auditbox from public'
      from pg_namespace n cross join aclexplode(n.nspacl) a
      where n.nspname = 'auditbox' and a.privilege_type = 'USAGE' and a.grantee = 0
      union all
      select format('the schema belongs to %s, which may log in', o.rolname), null
      from pg_namespace n join pg_roles o on o.oid = n.nspowner where n.nspname = 'auditbox' and (o.rolcanlogin or o.rolsuper)
      union all
      select format('the schema lets %s create objects', coalesce(r.rolname, 'everybody')),
        format('revoke create on schema auditbox from %s', coalesce(quote_ident(r.rolname), 'public'))
      from pg_namespace n cross join aclexplode(n.nspacl) a left join pg_roles r on r.oid = a.grantee
      where n.nspname = 'auditbox' and a.privilege_type = 'CREATE' and a.grantee <> n.nspowner
      union all
      select 'everybody may create objects in the schema public', 'revoke create on schema public from public'
      from pg_namespace n cross join aclexplode(n.nspacl) a
      where n.nspname = 'public' and a.privilege_type = 'CREATE' and a.grantee = 0
      union all
      select format('the table %s has row-level security, which hides rows', relname),
        format('alter table auditbox.%I disable row level security', relname)
      from ours where relrowsecurity
      union all
      select format('the table %s has the policy %s, which hides rows', o.relname, p.polname),
        format('drop policy %I on auditbox.%I', p.polname, o.relname)
      from ours o join pg_policy p on p.polrelid = o.oid
      union all
      select format('the table %s has the rule %s, which changes statements', o.relname, r.rulename),
        format('drop rule %I on auditbox.%I', r.rulename, o.relname)
      from ours o join pg_rewrite r on r.ev_class = o.oid where o.relkind in ('r', 'p')
      union all
      select format('the table %s is unlogged: a crash of the server empties it', relname),
        format('alter table auditbox.%I set logged', relname)
      from ours where relkind in ('r', 'p') and relpersistence <> 'p'
      union all
      select format('the table %s is a month that was detached', relname),
        format('alter table auditbox.audit_log attach partition auditbox.%I for values from (%L) to (%L)', relname,
          starts_at, (starts_at at time zone 'UTC' + interval '1 month') at time zone 'UTC')
      from (
        select relname, make_timestamptz(substr(relname, 11, 4)::int, substr(relname, 16, 2)::int, 1, 0, 0, 0, 'UTC') as starts_at
        from ours
        where relkind = 'r' and not relispartition and relname ~ '^audit_log_[0-9]{4}_(0[1-9]|1[0-2])$'
      ) detached
      union all
      select format('the month %s has wrong bounds: it begins %s and ends %s', m.name, m.starts_at, m.ends_at), null
      from auditbox.list_months() m
      where m.starts_at <> date_trunc('month', m.starts_at, 'UTC')
        or m.ends_at <> (m.starts_at at time zone 'UTC' + interval '1 month') at time zone 'UTC'
        or m.name <> 'audit_log_' || to_char(m.starts_at at time zone 'UTC', 'YYYY_MM')
      union all
      -- A login may name an actor for itself, and the owner of a database for everybody.
      -- The name is in two parts, because the name of another schema replaces "auditbox", and a setting has no schema.
      select format('each session of the database begins with the setting %s, which events of captured tables get', setting),
        format('alter database %I reset %s', current_database(), split_part(setting, '=', 1))
      from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase cross join unnest(s.setconfig) as setting
      where s.setrole = 0 and d.datname = current_database() and starts_with(setting, 'audit' || 'box.')
      union all
      select format('the sequence %s gives ids by %s and keeps %s for each session', s.seqrelid::regclass, s.seqincrement, s.seqcache),
        format('alter sequence %s increment 1 cache 1', s.seqrelid::regclass)
      from pg_sequence s join ours on ours.oid = s.seqrelid where s.seqcache <> 1 or s.seqincrement <> 1
      order by says`,
  );
}
