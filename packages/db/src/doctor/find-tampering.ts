import { createHash } from 'node:crypto';
import type { Database } from '../database/connect.ts';
import { DatabaseError } from '../database/database-error.ts';
import { defaultSchema, nameSchema } from '../database/schema-name.ts';
import { processRoles } from '../migrate/grant-rights.ts';
import { readMigrations } from '../migrate/migrations.ts';

/** The destination that retention reads months back from. */
const archive = 's3';

/** Something in the schema that is not as the migrations made it. */
export interface Tampering {
  /** What is wrong, without a full stop: `the function seal has another body`. */
  readonly says: string;
  /** A statement that repairs it, or null. */
  readonly remedy: string | null;
}

interface ExpectedFunction {
  readonly name: string;
  /** Of its body; null if the body is a parsed `return …`, which has no text to compare. */
  readonly md5: string | null;
  readonly isDefiner: boolean;
  /** Its settings, in the form of pg_proc.proconfig, sorted and without quotes. */
  readonly settings: readonly string[];
}

/** The head of a function, and its body between dollar quotes. */
const definition =
  /create (?:or replace )?function auditbox\.(\w+)\s*\(([\s\S]*?)(?:\bas \$\$([\s\S]*?)\$\$|\breturn\b(?!s))/i;
const changed = /alter function auditbox\.(\w+)\([^)]*\) set (.+)/i;
const setting = /\bset (\w+) = ('[^']*'|\w+(?:, \w+)*)/gi;

/** The functions as the last migration that makes or alters them has them. */
export function listExpectedFunctions(schema: string = defaultSchema): ExpectedFunction[] {
  const functions = new Map<string, ExpectedFunction>();
  // Each statement by itself: a function with a parsed body must not get the text of the next one.
  for (const statement of readMigrations().flatMap(({ statements }) => statements)) {
    const [, name, head = '', body] = definition.exec(statement) ?? [];
    if (name !== undefined) {
      const md5 = body === undefined ? null : createHash('md5').update(nameSchema(body, schema)).digest('hex');
      functions.set(name, { name, md5, isDefiner: /\bsecurity definer\b/i.test(head), settings: readSettings(head) });
    }
    const [, alteredName = '', clause = ''] = changed.exec(statement) ?? [];
    const altered = functions.get(alteredName);
    if (altered)
      functions.set(alteredName, {
        ...altered,
        settings: [...altered.settings, ...readSettings(`set ${clause}`)].sort(),
      });
  }
  return [...functions.values()];
}

function readSettings(head: string): string[] {
  return [...head.matchAll(setting)].map(([, name, value = '']) => `${name}=${value.replaceAll("'", '')}`).sort();
}

/** What somebody changed in the schema, and in the rows that say what is exported. */
export async function findTampering(db: Database, schema: string = defaultSchema): Promise<Tampering[]> {
  return [...(await findInCatalog(db, schema)), ...(await findInRows(db))];
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
      where a.grantee not in (0, fn.proowner) and proname not in ('record', 'make_month', 'list_months', 'audit_words')
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
      from fn where proname <> 'audit_words'
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
      select format('the sequence %s gives ids by %s and keeps %s for each session', s.seqrelid::regclass, s.seqincrement, s.seqcache),
        format('alter sequence %s increment 1 cache 1', s.seqrelid::regclass)
      from pg_sequence s join ours on ours.oid = s.seqrelid where s.seqcache <> 1 or s.seqincrement <> 1
      order by says`,
  );
}

/** Row-level security on one table hides nothing of the others. */
async function findInRows(db: Database): Promise<Tampering[]> {
  const found = await Promise.all(
    [findSequencesBehind, findUndelivered].map((find) =>
      find(db).catch((error: unknown) => {
        // Row-level security hides rows, which the catalog names.
        if (error instanceof DatabaseError && error.code === '42501') return [];
        throw error;
      }),
    ),
  );
  return found.flat();
}

/**
 * Sequences that would give ids again.
 *
 * Caller: the doctor.
 * Locks: none.
 * Crash: nothing is written.
 */
async function findSequencesBehind(db: Database): Promise<Tampering[]> {
  return db.query(
    (sql) => sql<Tampering[]>`
      select 'the sequence outbox_id_seq is behind the outbox' as says,
        format('select setval(''auditbox.outbox_id_seq'', %s)', max_id) as remedy
      from (select max(id) as max_id from auditbox.outbox) o
      where max_id > (select last_value from auditbox.outbox_id_seq)
      union all
      select 'the sequence batch_id_seq is behind the batches', format('select setval(''auditbox.batch_id_seq'', %s)', max_id)
      from (select max(id) as max_id from auditbox.batch) b
      where max_id > (select last_value from auditbox.batch_id_seq)`,
  );
}

/**
 * A bucket that is no destination, and batches that have no delivery to it.
 *
 * Caller: the doctor.
 * Locks: none.
 * Crash: nothing is written.
 */
async function findUndelivered(db: Database): Promise<Tampering[]> {
  return db.query(
    (sql) => sql<Tampering[]>`
      select format('the destination %s is missing: nothing is exported', archive) as says,
        format('insert into auditbox.destination (name) values (%L)', archive) as remedy
      from (values (${archive}::text)) as wanted (archive)
      where not exists (select from auditbox.destination d where d.name = archive)
      union all
      select format('%s of the newest 10,000 batches have no delivery to %s', count(*), ${archive}::text),
        format('insert into auditbox.delivery (destination, batch_id) select %L, id from auditbox.batch where replay_for is null on conflict do nothing', ${archive}::text)
      from (select b.id from auditbox.batch b where b.replay_for is null order by b.id desc limit 10000) b
      where not exists (select from auditbox.delivery d where d.destination = ${archive} and d.batch_id = b.id)
        and exists (select from auditbox.destination d where d.name = ${archive})
      having count(*) > 0`,
  );
}
