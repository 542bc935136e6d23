import { randomBytes } from 'node:crypto';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { type OwnPostgres, startOwnPostgres } from '@auditbox/testing/servers/own-postgres.ts';
import { createTemplate, createTestDatabase } from '@auditbox/testing/servers/template-database.ts';
import { migrateWithRoles, urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { examine } from '../src/commands/doctor.ts';
import { composeDoctor } from '../src/compose.ts';
import { describeObjectLock } from '../src/diagnose/bucket.ts';
import { adviseOn } from '../src/diagnose/database.ts';
import { type Finding, findFailed } from '../src/diagnose/finding.ts';
import { readExporterSettings } from '../src/settings.ts';

/* `npm run doctor` reports each problem with its remedy, and changes nothing. */

/** A separate server, because the one that tests share does not flush, which the doctor reports. */
let server: OwnPostgres;
let rig: ExporterFixture;

beforeAll(async () => {
  server = await startOwnPostgres();
  await createTemplate(server.url, migrateWithRoles);
});
afterAll(() => server.close());

beforeEach(async () => {
  rig = await createExporterFixture(server.url);
  // The SDK of S3 looks for credentials in the process.
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(name, rig.env[name]);
});
afterEach(() => rig.close());

const maxOpenS = 1_800;

/** What the doctor finds with these settings, in the tests' process, because each start of a process takes seconds. */
async function doctor(settings: Record<string, string> = {}, longest = maxOpenS) {
  const env = { ...rig.env, DATABASE_URL: urlAs('exporter', rig.db.url), ...settings };
  const composed = composeDoctor(readExporterSettings(env));
  const findings = await examine(composed, longest, new AbortController().signal);
  await composed.close();
  const about = (what: string) => findings.find((finding) => finding.what === what);
  return { about, wrong: findFailed(findings).map(({ what }) => what), output: JSON.stringify(findings) };
}

/** Runs the command with these settings. */
async function runDoctor(settings: Record<string, string> = {}, args: readonly string[] = []) {
  const app = rig.start(['--doctor', ...args], { LOG_LEVEL: 'fatal', ...settings });
  return { code: await app.ended, output: app.output() };
}

/** Runs the doctor and expects that this check, and no other required one, fails. */
async function findProblem(what: string, settings: Record<string, string> = {}, longest = maxOpenS) {
  const { about, wrong } = await doctor(settings, longest);
  expect(wrong).toEqual([what]);
  return about(what) as Finding;
}

const databaseName = () => new URL(rig.db.url).pathname.slice(1);

test('a healthy system is reported as such, in words and in JSON, with exit code 0 and no secret', async () => {
  const words = await runDoctor();
  expect(words.code).toBe(0);
  expect(words.output).toMatch(/\nwarn: \d+ pass, 1 unknown, 2 warn\n$/);
  const { code, output } = await runDoctor({}, ['--json']);
  const { ok, findings } = JSON.parse(output) as { ok: boolean; findings: Finding[] };
  expect({ code, ok, failed: findFailed(findings) }).toEqual({ code: 0, ok: true, failed: [] });
  expect(findings.map(({ what }) => what)).toEqual([
    'database',
    'schema',
    'disk',
    'tables',
    'triggers',
    'tampering',
    'captured tables',
    'exports',
    'months',
    'role',
    'durability',
    'autovacuum',
    'dead rows',
    'transaction ids',
    'old transactions',
    'credentials',
    'bucket',
    'versions',
    'object lock',
    'clocks',
  ]);
  expect(output).not.toMatch(/TESTSECRET|TESTKEY/);
  expect(output).not.toContain(new URL(rig.db.url).password);
});

test('a system with problems is reported with exit code 1, and --max-open says how long a transaction may be open', async () => {
  await rig.db.sql`drop index auditbox.delivery_claimable`;
  await rig.db.sql.begin('isolation level repeatable read', async (tx) => {
    await tx`select from auditbox.batch`;
    const { code, output } = await runDoctor({ DATABASE_URL: rig.db.url }, ['--max-open', '0', '--json']);
    const { ok, findings } = JSON.parse(output) as { ok: boolean; findings: Finding[] };
    expect({ code, ok }).toEqual({ code: 1, ok: false });
    expect(findFailed(findings).map(({ what }) => what)).toEqual(['tables', 'old transactions']);
  });
  const words = await runDoctor();
  expect(words.code).toBe(1);
  expect(words.output).toMatch(/\nfail {5}tables: .*\nfail: \d+ pass, .*1 fail\n$/s);
});

test('captured tables of which changes are not recorded are named, and are a failed check', async () => {
  await rig.db.sql.unsafe(`
    create table public.untriggered (id int primary key); create table public.grown (id int primary key);
    create table public.disabled (id int primary key);
    select auditbox.capture(t::regclass) from unnest(array['public.untriggered', 'public.grown', 'public.disabled']) t;
    drop trigger auditbox_capture_update on public.untriggered;
    alter table public.grown add added text;
    alter table public.disabled disable trigger auditbox_capture_insert`);
  const { says } = await findProblem('captured tables');
  for (const problem of [
    'trigger auditbox_capture_update on public.untriggered is missing',
    'new column added of public.grown is not recorded',
    'trigger auditbox_capture_insert on public.disabled is disabled',
  ])
    expect(says).toContain(problem);
});

test.each([
  ['alter table auditbox.audit_log disable trigger audit_log_append_only', 'disabled'],
  ['alter table auditbox.audit_log_2026_07 disable trigger audit_log_to_outbox', 'disabled'],
  ['alter table auditbox.audit_log_2026_07 enable trigger audit_log_append_only', 'not enabled always'],
  ['alter table auditbox.batch enable replica trigger batch_ids_are_in_one_batch', 'not enabled always'],
])(
  'a trigger that does not fire in every session is reported with the statement that enables it: %s',
  async (statement, problem) => {
    await rig.db.sql.unsafe(statement);
    const { says, advice } = await findProblem('triggers');
    expect(says).toContain(`is ${problem}.`);
    const remedy = statement.replace(/disable|enable replica|enable/, 'enable always');
    expect(advice).toBe(`As the owner of the tables, run \`${remedy}\`.`);
  },
);

test('a missing trigger is reported; a setting that stops ordinary triggers is no problem', async () => {
  await rig.db.sql.unsafe(`alter database ${databaseName()} set session_replication_role = replica`);
  expect((await doctor({ DATABASE_URL: rig.db.url })).wrong).toEqual([]);
  await rig.db.sql`drop trigger audit_log_to_outbox on auditbox.audit_log`;
  await rig.db.sql`drop trigger outbox_keep_row on auditbox.outbox`;
  const { says, advice } = await findProblem('triggers');
  expect(says).toContain('audit_log_to_outbox on audit_log is missing, outbox_keep_row on outbox is missing');
  expect(advice).toBe('Run their statements in drizzle/ again.');
});

test('a trigger that calls another function, fires at other times or is not ours is named', async () => {
  const { sql } = rig.db;
  await sql`create function public.nothing() returns trigger language plpgsql as 'begin return null; end'`;
  await sql`create or replace trigger outbox_keep_row before delete on auditbox.outbox
    for each row execute function public.nothing()`;
  await sql`create or replace trigger delivery_changes before update of attempts on auditbox.delivery
    for each row execute function auditbox.check_delivery_change()`;
  await sql`create or replace trigger rejection_begins before insert on auditbox.rejection
    for each row when (new.outbox_id > 7) execute function auditbox.check_new_rejection()`;
  await sql`create trigger swallow before insert on auditbox.outbox for each row execute function public.nothing()`;
  const { says, advice } = await findProblem('triggers');
  for (const problem of [
    'outbox_keep_row on outbox is calling another function',
    'delivery_changes on delivery is firing at other times',
    'rejection_begins on rejection is firing at other times',
    'swallow on outbox is not a trigger of Auditbox',
  ])
    expect(says).toContain(problem);
  expect(advice).toContain('`drop trigger swallow on auditbox.outbox`');
  expect(advice).toContain('Run the statements of the others in drizzle/ again.');
});

test('a right that a role has too many or too few is named with the statement that repairs it', async () => {
  const { sql } = rig.db;
  await sql`grant delete on auditbox.outbox to auditbox_exporter`;
  await sql`revoke select on auditbox.batch from auditbox_api`;
  const { says, advice } = await findProblem('tampering');
  expect(says).toBe('auditbox_api lacks SELECT on table batch, auditbox_exporter has DELETE on table outbox.');
  expect(advice).toBe(
    'As the owner of the tables, run `grant select on auditbox.batch to auditbox_api`; `revoke delete on auditbox.outbox from auditbox_exporter`.',
  );
});

test('what somebody changed in the schema is named, with statements that undo it', async () => {
  await rig.db.store(someEvents(3));
  const { sql } = rig.db;
  await sql`alter table auditbox.delivery enable row level security`;
  await sql`alter table auditbox.outbox set unlogged`;
  await sql`alter table auditbox.audit_log detach partition auditbox.audit_log_2026_07`;
  await sql`select setval('auditbox.outbox_id_seq', 1)`;
  await sql`grant create on schema public to public`;
  const { about, wrong } = await doctor();
  // The exports cannot be read through row-level security.
  expect(wrong).toEqual(['tampering', 'exports']);
  expect(about('exports')).toMatchObject({ state: 'unknown', says: expect.stringContaining('row-level security') });
  const { says, advice } = about('tampering') as Finding;
  for (const change of [
    'the table delivery has row-level security, which hides rows',
    'the table outbox is unlogged: a crash of the server empties it',
    'the table audit_log_2026_07 is a month that was detached',
    'the sequence outbox_id_seq is behind the outbox',
    'everybody may create objects in the schema public',
  ])
    expect(says).toContain(change);
  expect(advice).toContain("`select setval('auditbox.outbox_id_seq', 3)`");
  for (const [, statement = ''] of advice?.matchAll(/`([^`]+)`/g) ?? []) await sql.unsafe(statement);
  expect((await doctor()).wrong).toEqual([]);
});

test('a function whose body was replaced is named, with where its statement is', async () => {
  await rig.db.sql`
    create or replace function auditbox.refuse_change() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as $$ begin return null; end $$`;
  const { says, advice } = await findProblem('tampering');
  expect(says).toBe('the function refuse_change has another body.');
  expect(advice).toBe('As the owner of the tables, run their statements in drizzle/ again.');
});

test.each([
  ['drop index auditbox.delivery_claimable', 'index delivery_claimable is missing'],
  ['drop index auditbox.audit_log_changed_by', 'index audit_log_changed_by is missing'],
  ['alter table auditbox.outbox drop constraint outbox_audit_id', 'index outbox_audit_id is missing'],
  ['alter table auditbox.delivery drop constraint delivery_done_is_proven', 'delivery_done_is_proven is missing'],
  ['alter table auditbox.api_key drop column created_by', 'column api_key.created_by is missing'],
  [
    'alter table auditbox.api_key alter column created_by type varchar(9)',
    'column api_key.created_by is of another type',
  ],
])('a missing or changed part of the schema is named: %s', async (statement, says) => {
  await rig.db.sql.unsafe(statement);
  const finding = await findProblem('tables');
  expect(finding.says).toContain(says);
  expect(finding.advice).toContain('npm run migrate');
});

test('a missing table is named, also by the check of the schema', async () => {
  await rig.db.sql`drop table auditbox.rejection cascade`;
  const { wrong, about } = await doctor();
  // The view of its rows goes with it.
  expect(wrong).toEqual(['schema', 'tables', 'tampering', 'exports']);
  expect(about('tampering')?.says).toBe('the view outbox_status is missing.');
  expect(about('tables')).toMatchObject({
    says: expect.stringContaining('table rejection is missing'),
    advice: expect.stringContaining('npm run migrate'),
  });
});

test('an index that was built incompletely is reported with the statement that rebuilds it', async () => {
  await rig.db.store(someEvents(2));
  await expect(rig.db.sql`create unique index concurrently broken on auditbox.outbox ((true))`).rejects.toThrow(
    /could not create unique index/,
  );
  const { says, advice } = await findProblem('tables');
  expect(says).toContain('index auditbox.broken is invalid');
  expect(advice).toBe('Run `reindex index concurrently auditbox.broken`.');
});

test('a month without a partition is reported, and so is a DEFAULT partition', async () => {
  const next = new Date();
  next.setUTCDate(1);
  next.setUTCMonth(next.getUTCMonth() + 1);
  const month = next.toISOString().slice(0, 7);
  await rig.db.sql.unsafe(`drop table auditbox.audit_log_${month.replace('-', '_')}`);
  const missing = await findProblem('months');
  expect(missing.says).toBe(`audit_log has no partition for ${month}.`);
  expect(missing.advice).toContain('npm run migrate');
  await rig.db.sql`create table auditbox.leftovers partition of auditbox.audit_log default`;
  const { wrong, about } = await doctor();
  expect(wrong).toContain('months');
  expect(about('months')?.advice).toContain('`alter table auditbox.audit_log detach partition auditbox.leftovers`');
});

test.each([
  [(name: string) => `alter database ${name}`],
  [(name: string) => `alter role auditbox in database ${name}`],
])('synchronous_commit = off in the database is reported with the statement that set it', async (whose) => {
  const setting = whose(databaseName());
  await rig.db.sql.unsafe(`${setting} set synchronous_commit = off`);
  const { says, advice } = await findProblem('durability');
  expect(says).toContain(`synchronous_commit is off by \`${setting}\``);
  expect(advice).toBe(`Run \`${setting} reset synchronous_commit\`.`);
});

test('a server that does not flush and does not vacuum is reported', async () => {
  const settings = [
    'fsync=off',
    'full_page_writes=off',
    'synchronous_commit=off',
    'autovacuum=off',
    'track_counts=off',
  ];
  const own = await startOwnPostgres({ settings });
  try {
    const { wrong, about } = await doctor({ DATABASE_URL: own.url });
    expect(wrong).toEqual(['durability', 'autovacuum']);
    for (const name of ['fsync', 'full_page_writes', 'synchronous_commit'])
      expect(about('durability')?.advice).toContain(`alter system set ${name} = on`);
    for (const name of ['autovacuum', 'track_counts'])
      expect(about('autovacuum')?.advice).toContain(`alter system set ${name} = on`);
  } finally {
    await own.close();
  }
});

test('a forgotten prepared transaction is reported, with the statement that ends it', async () => {
  const own = await startOwnPostgres({ settings: ['max_prepared_transactions=2'] });
  try {
    await own.sql.begin(async (tx) => {
      await tx`select pg_current_xact_id()`;
      await tx.prepare('forgotten');
    });
    const { says, advice } = await findProblem('old transactions', { DATABASE_URL: own.url }, 0);
    expect(says).toContain('prepared transaction forgotten, open for');
    expect(advice).toContain("rollback prepared 'forgotten'");
  } finally {
    await own.close();
  }
});

test('a role that may not write events may have its own synchronous_commit', async () => {
  const name = `reader_${randomBytes(6).toString('hex')}`;
  await rig.db.sql.unsafe(`create role ${name}; alter role ${name} set synchronous_commit = off`);
  try {
    expect((await doctor()).about('durability')).toMatchObject({ state: 'pass' });
    await rig.db.sql.unsafe(`grant insert on auditbox.audit_log to ${name}`);
    expect((await doctor()).about('durability')?.advice).toBe(`Run \`alter role ${name} reset synchronous_commit\`.`);
  } finally {
    await rig.db.sql.unsafe(`drop owned by ${name}; drop role ${name}`);
  }
});

test('a table or a month without autovacuum is reported', async () => {
  await rig.db.sql`alter table auditbox.outbox set (autovacuum_enabled = off)`;
  await rig.db.sql`alter table auditbox.audit_log_2026_07 set (autovacuum_enabled = false)`;
  const { says, advice } = await findProblem('autovacuum');
  expect(says).toContain('auditbox.audit_log_2026_07, auditbox.outbox');
  expect(advice).toContain('alter table auditbox.outbox reset (autovacuum_enabled)');
});

test('dead rows that are not vacuumed are counted', async () => {
  await rig.db.sql`alter table auditbox.api_key set (autovacuum_enabled = off)`;
  await rig.db.sql`
    insert into auditbox.api_key (key_id, name, key_hash, scopes)
    select gen_random_uuid(), n::text, n::text, '{read}' from generate_series(1, 20000) as n`;
  await rig.db.sql.begin(async (tx) => {
    await tx`delete from auditbox.api_key`;
    await tx`select pg_stat_force_next_flush()`;
  });
  await rig.db.sql`select pg_stat_force_next_flush()`;
  // A session reports what it did a moment after it.
  const finding = await eventually(async () => {
    const found = (await doctor()).about('dead rows');
    expect(found).toMatchObject({ state: 'fail', says: expect.stringContaining('auditbox.api_key has') });
    return found;
  });
  expect(finding?.advice).toContain('vacuum (verbose) auditbox.api_key');
});

/** As one statement of a service does. */
const storeMany = (rows: number) => rig.db.sql`
  insert into auditbox.audit_log (changed_by, action, table_name, object_id, updated_values)
  select 'ana', 'updated', 'teams', n::text, '{"max_budget": 25}' from generate_series(1, ${rows}) as n`;

test('right after an export of 50,000 events nothing is wrong, although autovacuum has not run yet', async () => {
  await rig.db.sql`alter system set autovacuum_naptime = '1 d'`;
  await rig.db.sql`select pg_reload_conf()`;
  try {
    await storeMany(50_000);
    expect(await (await rig.drain({ LOG_LEVEL: 'fatal' })).ended).toBe(0);
    await rig.db.sql`select pg_stat_force_next_flush()`;
    expect((await doctor()).wrong).toEqual([]);
  } finally {
    await rig.db.sql`alter system reset autovacuum_naptime`;
    await rig.db.sql`select pg_reload_conf()`;
  }
});

test('one rejected event fails the doctor while 50,000 others wait, and the drain that exports these ends with 2', async () => {
  const lost = anEvent();
  await rig.db.store([lost]);
  await rig.db.sql.unsafe('alter table auditbox.audit_log disable trigger audit_log_append_only').simple();
  await rig.db.sql`delete from auditbox.audit_log where id = ${lost.id}`;
  await rig.db.sql.unsafe('alter table auditbox.audit_log enable always trigger audit_log_append_only').simple();
  expect(await (await rig.drain()).ended).toBe(2);
  await storeMany(50_000);
  const { says } = await findProblem('exports');
  expect(says).toContain('1 event rejected');
  expect((await runDoctor()).code).toBe(1);
  const check = rig.start(['--check', '--json'], { LOG_LEVEL: 'fatal' });
  expect(await check.ended).toBe(1);
  expect(check.output()).toContain('1 event rejected');
  expect(await (await rig.drain({ LOG_LEVEL: 'fatal' })).ended).toBe(2);
  expect(await rig.db.states()).toEqual({ done: 50_000, rejected: 1 });
  expect((await findProblem('exports')).says).toContain('1 event rejected');
});

test('rows that are not frozen long after they should be are reported', async () => {
  await rig.db.sql`alter table auditbox.api_key set (autovacuum_freeze_max_age = 100000)`;
  await rig.db.sql`create table public.spent (n int)`;
  await rig.db.sql.begin('isolation level repeatable read', async (tx) => {
    // Autovacuum starts at once for such an age, but can freeze nothing while this transaction is open.
    await tx`select pg_current_xact_id()`;
    await rig.db.sql.unsafe(`do $$ begin
      for n in 1..115000 loop
        begin insert into public.spent values (n); exception when others then raise; end;
      end loop; end $$`);
    const { says, advice } = await findProblem('transaction ids');
    expect(says).toContain('auditbox.api_key: rows are up to');
    expect(advice).toContain('vacuum (freeze, verbose) auditbox.api_key');
  });
});

test('a transaction that stays open is reported with its session and with the statement that ends it', async () => {
  await rig.db.sql.begin('isolation level repeatable read', async (tx) => {
    const [{ pid = 0 } = {}] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`;
    const young = await doctor({ DATABASE_URL: rig.db.url });
    expect(young.wrong).toEqual([]);
    expect(young.about('old transactions')?.says).toContain(`pid ${pid} (test, idle in transaction)`);
    const { says, advice } = await findProblem('old transactions', { DATABASE_URL: rig.db.url }, 0);
    expect(says).toContain(`session pid ${pid} (test, idle in transaction), open for`);
    expect(advice).toContain(`select pg_terminate_backend(${pid})`);
  });
});

test('the roles that --roles makes cause no warning, with retention and without', async () => {
  for (const role of ['exporter', 'retention'] as const) {
    const { about, wrong } = await doctor({ DATABASE_URL: urlAs(role, rig.db.url) });
    expect(about('role')).toMatchObject({ state: 'pass' });
    expect(wrong).toEqual([]);
  }
});

const readByExports = ['outbox', 'frontier', 'batch', 'delivery', 'destination', 'rejection', 'log_head']
  .map((name) => `auditbox.${name}`)
  .join(', ');

test('a superuser, an owner, and a role that can change the record cause a warning but no failure', async () => {
  const name = `doctor_${randomBytes(6).toString('hex')}`;
  const url = new URL(rig.db.url);
  url.username = name;
  url.password = 'doctor-secret';
  const { sql } = rig.db;
  const asRole = () => doctor({ DATABASE_URL: url.href });
  expect((await doctor({ DATABASE_URL: rig.db.url })).about('role')).toMatchObject({
    needed: false,
    says: expect.stringContaining('superuser'),
  });
  await sql.unsafe(`create role ${name} login password 'doctor-secret'`);
  try {
    await sql.unsafe(
      `grant usage on schema auditbox to ${name}; grant select on auditbox.outbox_status, auditbox.audit_log, ${readByExports} to ${name}`,
    );
    const plain = await asRole();
    expect(plain.about('role')).toMatchObject({ state: 'pass' });
    expect(plain.about('old transactions')).toMatchObject({
      state: 'unknown',
      permission: 'pg_read_all_stats',
      advice: `Run \`grant pg_read_all_stats to ${name}\`.`,
    });
    expect(plain.about('schema')).toMatchObject({ state: 'unknown' });
    expect(plain.wrong).toEqual([]);
    await sql.unsafe(`grant update, delete on auditbox.audit_log to ${name}; grant pg_read_all_stats to ${name}`);
    const changing = await asRole();
    expect(changing.about('role')?.says).toContain('has UPDATE, DELETE on audit_log');
    expect(changing.about('role')?.advice).toContain('npm run migrate -- --roles');
    expect(changing.about('old transactions')).toMatchObject({ state: 'pass' });
    expect(changing.wrong).toEqual([]);
    await sql.unsafe(`alter table auditbox.audit_log owner to ${name}`);
    const owning = await asRole();
    expect(owning.about('role')).toMatchObject({ state: 'warn', says: expect.stringContaining('owns') });
    expect(owning.output).not.toContain('doctor-secret');
  } finally {
    await sql.unsafe(`reassign owned by ${name} to current_user; drop owned by ${name}; drop role ${name}`);
  }
});

test('a bucket that cannot be reached does not hide the database, and vice versa', async () => {
  await rig.db.sql`drop index auditbox.delivery_claimable`;
  const noStore = await doctor({ S3_ENDPOINT: 'http://127.0.0.1:1' });
  expect(noStore.about('tables')).toMatchObject({ state: 'fail' });
  expect(noStore.about('bucket')).toMatchObject({ state: 'fail' });
  expect(noStore.about('versions')).toMatchObject({ state: 'unknown' });
  const noDatabase = await doctor({ DATABASE_URL: 'postgres://nobody:hidden-word@127.0.0.1:1/nothing' });
  expect(noDatabase.about('database')).toMatchObject({
    state: 'fail',
    advice: 'Check that Postgres runs, and that DATABASE_URL names it.',
  });
  expect(noDatabase.about('tables')).toMatchObject({ state: 'unknown' });
  expect(noDatabase.about('bucket')).toMatchObject({ state: 'pass' });
  expect(noDatabase.output).not.toContain('hidden-word');
  expect(noStore.wrong).toContain('bucket');
  expect(noDatabase.wrong).toContain('database');
});

test.each([
  ['53100', 'full', 'Enlarge the disk'],
  ['53300', 'full', 'max_connections'],
  ['28P01', 'misconfigured', 'Correct DATABASE_URL'],
  ['ECONNREFUSED', 'unreachable', 'Check that Postgres runs'],
] as const)('a database that answers a login with %s: the advice is about that', (code, kind, advice) => {
  expect(adviseOn({ code, kind })).toContain(advice);
});

test('a database without the schema is reported by each check, not by a crash', async () => {
  const DATABASE_URL = await createTestDatabase(server.url, { empty: true });
  const { about } = await doctor({ DATABASE_URL });
  expect(about('schema')).toMatchObject({ state: 'fail', advice: 'Run `npm run migrate`.' });
  expect(about('tables')?.says).toContain('table audit_log is missing');
});

test('a check that lacks a permission is unknown and names it; clocks that differ are reported', async () => {
  rig.proxy.intervene = {
    before: ({ path }) => (/\?(versioning|object-lock)/.test(path) ? { status: 403, code: 'AccessDenied' } : undefined),
  };
  const { about, wrong } = await doctor();
  expect(about('versions')).toMatchObject({ state: 'unknown', permission: 's3:GetBucketVersioning' });
  expect(about('object lock')).toMatchObject({ state: 'unknown', permission: 's3:GetBucketObjectLockConfiguration' });
  expect(wrong).toEqual([]);
  rig.proxy.intervene = {
    before: ({ method }) =>
      method === 'HEAD'
        ? { status: 403, code: 'AccessDenied', headers: { date: 'Wed, 01 Jul 2026 00:00:00 GMT' } }
        : undefined,
  };
  expect((await findProblem('clocks')).advice).toContain('NTP');
});

test('versions and lock are recommended for a bucket without them; a lock that the settings request and the bucket lacks is a failure', async () => {
  const { about } = await doctor();
  expect(about('versions')).toMatchObject({ says: 'The bucket keeps no versions.', needed: false });
  expect(about('versions')?.advice).toContain('Enable versioning');
  expect(about('object lock')?.advice).toContain('Object Lock');
  const lock = await findProblem('object lock', { S3_OBJECT_LOCK_MODE: 'COMPLIANCE', S3_OBJECT_LOCK_DAYS: '1' });
  expect(lock.advice).toBe('Enable Object Lock in the bucket.');
});

test('a default retention is recommended for a bucket with Object Lock, unless the settings lock', () => {
  const lock = { kind: 'known', enabled: true, defaultRetention: null } as const;
  expect(describeObjectLock(lock, { bucket: 'b', objectLock: null }).advice).toContain('default retention');
  expect(describeObjectLock(lock, { bucket: 'b', objectLock: { mode: 'COMPLIANCE', days: 1 } }).advice).toBeNull();
  const retained = { ...lock, defaultRetention: 'COMPLIANCE for 30 days' };
  expect(describeObjectLock(retained, { bucket: 'b', objectLock: null })).toMatchObject({
    state: 'pass',
    advice: null,
  });
});

test('it writes nothing to the bucket or the database', async () => {
  await rig.db.store(someEvents(1));
  const written = async () => {
    const [row] = await rig.db.sql`
      select (select sum(n_tup_ins + n_tup_upd + n_tup_del) from pg_stat_user_tables)::int as rows,
        (select count(*) from pg_class)::int as things, (select count(*) from auditbox.outbox)::int as pending,
        (select count(*) from auditbox.batch)::int as batches, (select sealed_up_to from auditbox.frontier)::int as sealed`;
    return row;
  };
  await rig.db.sql`select pg_stat_force_next_flush()`;
  const before = await written();
  await doctor();
  // A backend reports its statistics when it ends, which is a moment after its client.
  await eventually(async () =>
    expect(
      await rig.db.sql`
        select from pg_stat_activity where datname = current_database() and application_name = 'auditbox doctor'`,
    ).toHaveLength(0),
  );
  expect(await written()).toEqual(before);
  expect(rig.proxy.requests.length).toBeGreaterThan(2);
  for (const { method } of rig.proxy.requests) expect(['GET', 'HEAD']).toContain(method);
  const { Contents = [] } = await rig.bucket.client.send(new ListObjectsV2Command({ Bucket: rig.bucket.name }));
  expect(Contents).toEqual([]);
});
