import { connectDatabase } from '@auditbox/db/database/connect.ts';
import { expectedTriggers } from '@auditbox/db/doctor/expected-schema.ts';
import { findWrongTriggers } from '@auditbox/db/doctor/find-drift.ts';
import { findTampering } from '@auditbox/db/doctor/find-tampering.ts';
import { findWrongRights } from '@auditbox/db/doctor/find-wrong-rights.ts';
import { migrateDatabase } from '@auditbox/db/migrate/migrate.ts';
import { setUpRoles } from '@auditbox/db/migrate/set-up-roles.ts';
import { expectExactlyOnce } from '@auditbox/testing/expectations/expect-exactly-once.ts';
import { startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { exporterEnv } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { plantOverloads } from '@auditbox/testing/fixtures/plant-overloads.ts';
import { createTestBucket } from '@auditbox/testing/servers/bucket.ts';
import { type OwnPostgres, startOwnPostgres } from '@auditbox/testing/servers/own-postgres.ts';
import { endApps, spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { migrateWithRoles, urlAs } from '@auditbox/testing/servers/test-roles.ts';
import postgres, { type Sql } from 'postgres';
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest';

/*
 * The whole path under the settings that a server, a database or a role may have. The path runs once with the defaults of
 * Postgres, and what it stored, answered and wrote is compared with each other run. No setting hides another one here: each
 * changes something else.
 */

const hostile: Readonly<Record<string, string>> = {
  datestyle: 'SQL, DMY',
  intervalstyle: 'iso_8601',
  timezone: 'Asia/Shanghai',
  timezone_abbreviations: 'Australia',
  standard_conforming_strings: 'off',
  transform_null_equals: 'on',
  client_encoding: 'LATIN1',
  search_path: 'planted, public, pg_catalog',
  row_security: 'on',
  default_transaction_isolation: 'serializable',
  default_transaction_read_only: 'on',
  default_transaction_deferrable: 'on',
  synchronous_commit: 'off',
  statement_timeout: '1',
  lock_timeout: '1',
  idle_in_transaction_session_timeout: '1',
  idle_session_timeout: '1',
  extra_float_digits: '-15',
  bytea_output: 'escape',
  xmlbinary: 'hex',
  array_nulls: 'off',
  quote_all_identifiers: 'on',
  track_activities: 'off',
  session_replication_role: 'replica',
  gin_fuzzy_search_limit: '1',
  default_text_search_config: 'pg_catalog.german',
  plan_cache_mode: 'force_generic_plan',
  enable_partition_pruning: 'off',
  enable_indexscan: 'off',
  check_function_bodies: 'off',
  exit_on_error: 'on',
  password_encryption: 'md5',
};
/** Only some versions of Postgres have these. */
const hostileWhereKnown: Readonly<Record<string, string>> = {
  transaction_timeout: '2000',
  restrict_nonsystem_relation_kind: 'foreign-table',
};
/** These make each statement slow, so one level has them. */
const slow: Readonly<Record<string, string>> = {
  jit: 'on',
  jit_above_cost: '0',
  debug_parallel_query: 'on',
  force_parallel_mode: 'on',
};
/** Another language for messages and other forms of numbers. The first locale that the machine has. */
const locales = ['de_DE.UTF-8', 'de_DE.utf8', 'C.UTF-8', 'C.utf8'];
const localeSettings = ['lc_messages', 'lc_monetary', 'lc_numeric', 'lc_time'];

/** What no client could work under, so that the session of a service that writes by SQL has it otherwise. */
const writable = {
  default_transaction_read_only: 'off',
  statement_timeout: '0',
  lock_timeout: '0',
  transaction_timeout: '0',
  idle_session_timeout: '0',
  exit_on_error: 'off',
};

/** The session that looks from outside. */
const observer = {
  ...writable,
  search_path: 'pg_catalog',
  timezone: 'UTC',
  datestyle: 'ISO, YMD',
  extra_float_digits: '1',
  standard_conforming_strings: 'on',
  quote_all_identifiers: 'off',
};

/** Opens a connection that looks up no types. The driver's types want numbers, and then it leaves out a 0. */
const open = (url: string, settings: object) =>
  postgres(url, { max: 1, onnotice: () => {}, fetch_types: false, connection: settings });

type Level = 'server' | 'database' | 'role';

let server: OwnPostgres;
let admin: Sql;
beforeAll(async () => {
  server = await startOwnPostgres();
  await migrateWithRoles(server.url);
  admin = open(server.url, writable);
  await admin`create database planted`;
  const planter = open(Object.assign(new URL(server.url), { pathname: '/planted' }).href, {});
  await planter`create schema planted`;
  await planter`grant usage on schema planted to public`;
  await plantOverloads(planter, 'planted');
  await planter.end();
});
afterEach(() => endApps());
afterAll(async () => {
  await admin.end();
  await server.close();
});

/** The settings that this server knows. */
async function listHostile(level: Level | null): Promise<[name: string, value: string][]> {
  const known = new Set((await admin<{ name: string }[]>`select name from pg_settings`).map(({ name }) => name));
  const settings = Object.entries({
    ...hostile,
    ...hostileWhereKnown,
    ...(level === 'role' && slow),
  }).filter(([name]) => known.has(name));
  for (const locale of locales) {
    try {
      await admin.unsafe(`set lc_monetary = '${locale}'`);
      return [...settings, ...localeSettings.map((name): [string, string] => [name, locale])];
    } catch {}
  }
  return settings;
}

const roles = ['auditbox', 'test_api', 'test_exporter', 'test_retention', 'test_writer'];

/** Gives a level the settings. Resolves to what undoes it. */
async function make(level: Level, url: string): Promise<() => Promise<void>> {
  const name = new URL(url).pathname.slice(1);
  const targets = {
    server: ['alter system'],
    database: [`alter database ${name}`],
    role: roles.map((role) => `alter role ${role} in database ${name}`),
  }[level];
  const settings = await listHostile(level);
  for (const target of targets)
    for (const [setting, value] of settings)
      await admin.unsafe(`${target} set ${setting} = ${setting === 'search_path' ? value : `'${value}'`}`);
  if (level !== 'server') return async () => {};
  await admin`select pg_reload_conf()`;
  return async () => {
    await admin`alter system reset all`;
    await admin`select pg_reload_conf()`;
  };
}

/** Events of fixed ids and times, with texts that each setting would change. */
const now = new Date();
const monthsAgo = (months: number) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 2, 3, 4, 5));
const times = {
  recent: monthsAgo(0).toISOString().replace('.000Z', '.123456Z'),
  newMonth: monthsAgo(3).toISOString().replace('.000Z', '.120000Z'),
  newMonthBySql: monthsAgo(5).toISOString().replace('.000Z', 'Z'),
  expired: monthsAgo(12).toISOString().replace('.000Z', '.000001Z'),
};
const idOf = (n: number) => `0194f6a0-0000-7000-8000-${String(n).padStart(12, '0')}`;
const values = {
  text: 'žluťoučký \\ "quoted" \'single\' €uro 𝄞',
  float: 0.1,
  exact: 12345678901234.56,
  list: [null, 'NULL', 'null'],
  nested: { a: { b: [1, 2] } },
};
const event = (n: number, fields: object) => ({
  id: idOf(n),
  changed_by: 'ana@example.com',
  action: 'updated',
  table_name: 'teams',
  object_id: '42',
  before_value: { ...values, team_id: 'team-1' },
  updated_values: { ...values, team_id: 'team-2', float: 0.2 },
  ...fields,
});

const exactDigits = `{"id":"${idOf(9)}","changed_by":"ana","action":"created","table_name":"teams","object_id":"7","updated_at":"${times.recent}","updated_values":{"n":1.10000000000000000000000001e2,"token":"abc"}}`;

async function write(url: string, api: Awaited<ReturnType<typeof startApi>>): Promise<unknown[]> {
  const answers: unknown[] = [];
  const post = async (path: string, body: unknown) => {
    const { status, text } = await api.request(path, { body });
    answers.push({ status, text: withoutRunTimes(text) });
  };
  await post('/audit', event(1, { updated_at: times.recent }));
  await post('/audit', event(1, { updated_at: times.recent }));
  await post('/audit', exactDigits);
  await post('/audit', event(2, { updated_at: times.newMonth, action: 'created', object_id: 'ž' }));
  await post('/audit', event(2, { updated_at: times.newMonth, action: 'deleted' }));
  await post('/audit/batch', [
    event(3, { updated_at: times.newMonth, changed_by: 'čeněk' }),
    event(4, { updated_at: times.expired, changed_by: 'čeněk' }),
    event(5, { updated_at: times.recent, updated_values: { note: '\u00e9\\u0041' }, context: { ip: '::1' } }),
  ]);
  await post('/audit', event(6, { updated_at: new Date(now.getTime() + 3_600_000).toISOString() }));
  await post('/audit', event(6, { updated_values: { bad: '\0' } }));

  const sql = open(urlAs('writer', url), known);
  const json = JSON.stringify(values);
  answers.push(
    await sql`insert into auditbox.audit_log (id, occurred_at, changed_by, action, table_name, object_id, updated_values)
      values (${idOf(10)}, ${times.recent}, 'sql', 'created', 'teams', '42', ${json}) on conflict do nothing returning id`,
    await sql`select auditbox.record('sql', 'updated', 'teams', '42', ${json}, updated_at => ${times.newMonthBySql}, id => ${idOf(11)}) as id`,
    await sql`select auditbox.record('sql', 'updated', 'teams', '42', ${json}, updated_at => ${times.newMonthBySql}, id => ${idOf(11)}) as id`,
    await sql`insert into auditbox.audit_log (id, occurred_at, changed_by, action, table_name, object_id)
      values (${idOf(10)}, ${times.newMonth}, 'sql', 'created', 'teams', '42')`.catch(({ code, hint }) => ({
      code,
      hint,
    })),
  );
  await sql.end();
  return answers;
}

/** Filters that no index serves need a bound. */
const lastMonths = `start_date=${monthsAgo(11).toISOString().slice(0, 10)}`;

const questions = [
  '/audit',
  '/audit?cursor=&page_size=3',
  '/audit?sort_by=updated_at&sort_order=asc',
  `/audit?start_date=${times.newMonth}&end_date=${times.recent}`,
  '/audit?changed_by=%C4%8Den%C4%9Bk,sql',
  `/audit?q=%C5%BElu%C5%A5ou%C4%8Dk%C3%BD&${lastMonths}`,
  '/audit?object_team_id=team-2',
  `/audit?updated_values.float=0.2&${lastMonths}`,
  '/audit?search=42',
  `/audit/${idOf(1)}`,
  `/audit/${idOf(4)}`,
  `/audit/${idOf(99)}`,
  '/audit/objects/teams/42',
  `/audit/stats?interval=day&start_date=${monthsAgo(6).toISOString().slice(0, 10)}&end_date=${now.toISOString().slice(0, 10)}&group_by=changed_by`,
  '/audit/export?format=ndjson',
  '/audit/export?format=csv',
];

/** A text without what differs between two runs: when the database took an event, and what is made of that. */
function withoutRunTimes(text: string): string {
  return (
    text
      .replace(/"(recorded_at|exported_at|delivered_at|next_cursor|sha256|request_id)":"[^"]+"/g, '"$1":"…"')
      .replace(/_[0-9a-f]{12}\.ndjson/g, '_….ndjson')
      // In CSV the recorded time stands before the writer.
      .replace(/,"[\dT:.-]+Z",(?="(?:key|sql):)/g, ',"…",')
  );
}

async function ask(api: Awaited<ReturnType<typeof startApi>>): Promise<unknown[]> {
  const answers: unknown[] = [];
  for (const path of questions) {
    const { status, text } = await api.request(path);
    answers.push({ path, status, text: withoutRunTimes(text) });
  }
  return answers;
}

/** Follows the feed from its beginning to its end. */
async function poll(api: Awaited<ReturnType<typeof startApi>>): Promise<unknown[]> {
  const pages: unknown[] = [];
  for (let query = 'recorded_after=2020-01-01'; ; ) {
    const { status, body } = await api.request(`/audit?${query}&page_size=2`);
    pages.push({ status, ids: body.audit_logs?.map(({ id }: { id: string }) => id), caughtUp: body.caught_up });
    if (status !== 200 || body.caught_up) return pages;
    query = `recorded_after=2020-01-01&cursor=${encodeURIComponent(body.next_cursor)}`;
  }
}

/** All rows of the tables, without what depends on the moment. */
async function readTables(sql: Sql): Promise<Record<string, unknown>> {
  const queries = {
    audit_log: `select to_jsonb(a) - 'recorded_at' - 'content_hash' || jsonb_build_object('before', a.before_value::text, 'updated', a.updated_values::text,
      'context', a.context::text, 'at', extract(epoch from a.occurred_at)::text) as row from auditbox.audit_log a order by a.id`,
    outbox: `select to_jsonb(o) - 'recorded_at' as row from auditbox.outbox o order by o.id`,
    batch: `select to_jsonb(b) - 'sealed_at' - 'first_recorded_at' as row from auditbox.batch b order by b.id`,
    delivery: `select to_jsonb(d) - 'done_at' - 'sha256' - 'object_key' - 'next_attempt_at' - 'waits_since' - 'object_bytes' as row from auditbox.delivery d order by d.batch_id`,
    frontier: `select to_jsonb(f) - 'closing_xid' as row from auditbox.frontier f`,
    migration: `select to_jsonb(m) - 'applied_at' as row from auditbox.migration m order by m.tag collate "C"`,
    months: `select to_jsonb(m) as row from auditbox.list_months() m order by m.name collate "C"`,
    definitions: `select jsonb_build_object('name', p.proname, 'config', p.proconfig, 'body', p.prosrc, 'parsed', pg_get_function_sqlbody(p.oid)) as row
      from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = 'auditbox' order by p.proname collate "C"`,
    defaults: `select jsonb_build_object('table', c.relname, 'default', pg_get_expr(d.adbin, d.adrelid)) as row
      from pg_attrdef d join pg_class c on c.oid = d.adrelid join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'auditbox' order by c.relname collate "C", d.adnum`,
    checks: `select jsonb_build_object('name', k.conname, 'table', k.conrelid::regclass, 'says', pg_get_constraintdef(k.oid)) as row
      from pg_constraint k join pg_namespace n on n.oid = k.connamespace
      where n.nspname = 'auditbox' order by k.conrelid::regclass::text collate "C", k.conname collate "C"`,
    rights: `select jsonb_build_object('name', c.relname, 'acl', c.relacl::text) as row
      from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'auditbox' order by c.relname collate "C"`,
  };
  const tables: Record<string, unknown> = {};
  for (const [name, query] of Object.entries(queries)) {
    const rows = await sql.unsafe<{ row: string }[]>(query);
    tables[name] = rows.map(({ row }) => row);
  }
  return tables;
}

let known: object = {};

/** Runs everything in one database. */
async function runPath(level: Level | null) {
  const name = `run_${level ?? 'usual'}`;
  await admin.unsafe(`create database ${name} ${level === null ? '' : 'template planted'}`);
  const url = Object.assign(new URL(server.url), { pathname: `/${name}` }).href;
  const settings = new Map(await listHostile(level));
  known = Object.fromEntries(Object.entries(writable).filter(([name]) => settings.has(name)));
  const inside = open(url, observer);
  const undo = level === null ? async () => {} : await make(level, url);
  const bucket = await createTestBucket(inject('s3Endpoint'));
  try {
    await migrateDatabase(url);
    await setUpRoles(url);
    const env = exporterEnv({ databaseUrl: url, endpoint: inject('s3Endpoint'), bucket: bucket.name });
    const run = async (args: string[], role: 'exporter' | 'retention') => {
      const app = spawnApp(
        'exporter/src/main.ts',
        { ...env, DATABASE_URL: urlAs(role, url), AUDIT_RETENTION_DAYS: '300', EXPORT_BATCH_ROWS: '4' },
        args,
      );
      return { args, code: await app.ended, output: app.output() };
    };
    const api = await startApi(urlAs('api', url));
    const written = await write(url, api);
    const drained = await run(['--once'], 'exporter');
    expect(drained.output).toContain('Everything is exported');
    const polled = await poll(api);
    const answered = await ask(api);
    const stored = await readTables(inside);
    const objects = await bucket.objects();
    await expectExactlyOnce(bucket, [1, 2, 3, 4, 5, 9, 10, 11].map(idOf));
    const retained = await run(['--retention'], 'retention');
    const afterwards = { answered: await ask(api), polled: await poll(api), stored: await readTables(inside) };
    const db = connectDatabase({
      url: urlAs('exporter', url),
      application: 'test',
      maxConnections: 1,
      statementTimeoutMs: 20_000,
    });
    const found = [await findTampering(db), await findWrongTriggers(db, expectedTriggers), await findWrongRights(db)];
    await db.close(1_000);
    return {
      written,
      drained: drained.code,
      polled,
      answered,
      stored,
      objects: objects.map(({ key, text, contentType }) => ({
        key: withoutRunTimes(key),
        text: withoutRunTimes(text),
        contentType,
      })),
      retained: {
        code: retained.code,
        says: retained.output.split('\n').filter((line) => line.startsWith('audit_log_')),
      },
      afterwards,
      found,
    };
  } finally {
    await undo();
    await inside.end({ timeout: 1 });
    bucket.client.destroy();
  }
}

type Outcome = Awaited<ReturnType<typeof runPath>>;
let usual: Outcome;
beforeAll(async () => {
  usual = await runPath(null);
});

test('the run with default settings does what the others are compared with', () => {
  expect(usual.written.map((one) => (one as { status?: number }).status ?? 'sql')).toEqual([
    201,
    200,
    201,
    201,
    409,
    201,
    422,
    422,
    'sql',
    'sql',
    'sql',
    'sql',
  ]);
  expect(usual.answered.map((one) => (one as { status: number }).status)).toEqual(
    questions.map((path) => (path.endsWith(idOf(99)) ? 404 : 200)),
  );
  expect(usual.polled.flatMap((page) => (page as { ids: string[] }).ids)).toHaveLength(8);
  expect(usual.objects.length).toBeGreaterThan(3);
  expect(usual.retained).toMatchObject({ code: 0, says: [expect.stringContaining('removed')] });
  expect(usual.found).toEqual([[], [], []]);
});

test.each(['server', 'database', 'role'] as const)(
  'hostile settings of a %s change nothing that is stored, answered, exported or removed',
  async (level) => {
    expect(await runPath(level)).toEqual(usual);
  },
);
