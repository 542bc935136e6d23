import { randomBytes } from 'node:crypto';
import { migrateDatabase } from '@auditbox/db/migrate/migrate.ts';
import { parseMigration, readMigrations } from '@auditbox/db/migrate/migrations.ts';
import { setUpRoles } from '@auditbox/db/migrate/set-up-roles.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { startTcpProxy } from '@auditbox/testing/proxies/tcp-proxy.ts';
import { spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { createTestDatabase } from '@auditbox/testing/servers/template-database.ts';
import postgres, { type Sql } from 'postgres';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';

const migrate = (url: string, args: readonly string[] = [], env: Record<string, string> = {}) =>
  spawnApp(new URL('../src/main.ts', import.meta.url), { DATABASE_URL: url, ...env }, args);

let url: string;
let sql: Sql;
beforeEach(async () => {
  url = await createTestDatabase(inject('databaseServer'), { empty: true });
  sql = postgres(url, { max: 2, onnotice: () => {} });
});
afterEach(() => sql.end());

const tags = readMigrations().map(({ tag }) => tag);
const applied = async () =>
  (await sql<{ tag: string }[]>`select tag from auditbox.migration order by tag`).map(({ tag }) => tag);

test('six processes that migrate an empty database at once all succeed, and it is migrated once', async () => {
  const apps = Array.from({ length: 6 }, () => migrate(url));
  expect(await Promise.all(apps.map(({ ended }) => ended))).toEqual([0, 0, 0, 0, 0, 0]);
  expect(await applied()).toEqual(tags);
});

test('it lists what it will do, shows each step, and does nothing the second time', async () => {
  const first = migrate(url);
  expect(await first.ended).toBe(0);
  expect(first.output()).toContain(`${tags.length} migrations to apply in the schema auditbox:\n  ${tags[0]}: `);
  expect(first.output()).toMatch(new RegExp(`${tags.at(-1)}: done in \\d+\\.\\d s\nApplied ${tags.length} migrations`));
  const second = migrate(url);
  expect(await second.ended).toBe(0);
  expect(second.output()).toBe('The schema is up to date.\n');
});

test("the list of migrations of an application's drizzle in the same database is not read or changed", async () => {
  await sql`create schema drizzle`;
  await sql`create table drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint)`;
  await sql`insert into drizzle.__drizzle_migrations (hash, created_at) values ('theirs', 9999999999999)`;
  await migrateDatabase(url);
  expect(await applied()).toEqual(tags);
  expect(await sql`select hash from drizzle.__drizzle_migrations`).toEqual([{ hash: 'theirs' }]);
});

test('tables of the same names in public do not matter', async () => {
  await sql`create table outbox (id int)`;
  await sql`create table api_key (id int)`;
  await migrateDatabase(url);
  expect(await applied()).toEqual(tags);
});

test.each([
  [
    'a changed hash',
    () => sql`update auditbox.migration set sha256 = repeat('0', 64) where tag = ${tags[2] ?? ''}`,
    `The migration ${tags[2]} was changed after it was applied`,
  ],
  [
    'a gap',
    () => sql`delete from auditbox.migration where tag = ${tags[2] ?? ''}`,
    `has the migration ${tags[3]} but not ${tags[2]}`,
  ],
  [
    'a migration of a newer version',
    () => sql`insert into auditbox.migration values ('9999_newer', repeat('0', 64))`,
    'The database has the migration 9999_newer, which this version does not know',
  ],
])('%s stops it with a sentence', async (_what, change, sentence) => {
  await migrateDatabase(url);
  await change();
  const app = migrate(url);
  expect(await app.ended).toBe(1);
  expect(app.output()).toContain(sentence);
});

test('a schema with tables of somebody else stops it, and it changes nothing', async () => {
  await sql`create schema auditbox`;
  await sql`create table auditbox.theirs (id int)`;
  await expect(migrateDatabase(url)).rejects.toThrow('The schema auditbox has theirs and no table `migration`');
  expect(await sql`select from pg_tables where schemaname = 'auditbox'`).toHaveLength(1);
});

test('a database that is not UTF-8 is refused with a sentence', async () => {
  const name = `latin_${Date.now()}`;
  await sql.unsafe(`create database ${name} encoding 'LATIN1' template template0 locale 'C'`);
  const latin = new URL(url);
  latin.pathname = `/${name}`;
  const app = migrate(latin.href);
  expect(await app.ended).toBe(1);
  expect(app.output()).toContain(`The database ${name} has the encoding LATIN1`);
});

test('a migration that fails leaves nothing of itself, and those before it stay', async () => {
  const ours = readMigrations();
  const broken = parseMigration(
    '9998_broken',
    'create table auditbox.half (id int);\n--> statement-breakpoint\nselect 1 / 0;',
  );
  await expect(migrateDatabase(url, { migrations: [...ours, broken] })).rejects.toThrow('division by zero');
  expect(await applied()).toEqual(tags);
  expect(await sql`select to_regclass('auditbox.half') as half`).toEqual([{ half: null }]);
});

test('everything belongs to a role that nobody logs in as and that is no superuser', async () => {
  await migrateDatabase(url);
  const owners = await sql`
    select distinct o.rolname, o.rolcanlogin, o.rolsuper from pg_roles o where o.oid in (
      select relowner from pg_class where relnamespace = 'auditbox'::regnamespace
      union select proowner from pg_proc where pronamespace = 'auditbox'::regnamespace
      union select nspowner from pg_namespace where nspname = 'auditbox')`;
  expect(owners).toEqual([{ rolname: 'auditbox_owner', rolcanlogin: false, rolsuper: false }]);
});

test('a login that made the schema first gets no rights of the login that migrates', async () => {
  const name = `early_${randomBytes(4).toString('hex')}`;
  await sql
    .unsafe(`create role ${name} login; grant create on database ${new URL(url).pathname.slice(1)} to ${name}`)
    .simple();
  // What runs as the owner in the migrator's session can leave the role.
  await sql.begin(async (tx) => {
    await tx.unsafe(`set local session authorization ${name}`);
    await tx
      .unsafe(
        `create schema auditbox;
         create table auditbox.migration (tag text collate "C" primary key, sha256 text, applied_at timestamptz default now());
         create function auditbox.take() returns trigger language plpgsql as
           'begin reset role; alter role ${name} createrole; return new; end';
         create trigger take after insert on auditbox.migration for each row execute function auditbox.take()`,
      )
      .simple();
  });
  await expect(migrateDatabase(url)).rejects.toThrow(`The schema belongs to ${name}`);
  expect(await sql`select rolcreaterole as taken from pg_roles where rolname = ${name}`).toEqual([{ taken: false }]);
  await sql.unsafe(`drop schema auditbox cascade; drop owned by ${name}; drop role ${name}`).simple();
  await migrateDatabase(url);
});

test('--login makes a login with the rights of its role, whose password no statement holds, and changes the password later', async () => {
  const name = `app_${new URL(url).pathname.slice(1)}`;
  const args = ['--roles', '--login', `${name}=auditbox_api`];
  const passwords = { first: `one'"\\$ secret of ${name}`, second: 'two' };
  const enter = async (password: string) => {
    const own = postgres(url, { username: name, password, max: 1 });
    try {
      const [row] =
        await own`select pg_has_role(current_user, 'auditbox_api', 'usage') as is_api from auditbox.audit_log
        right join (select 1) one on true limit 1`;
      return row?.is_api;
    } finally {
      await own.end();
    }
  };
  const passwordOf = { [`${name.toUpperCase()}_PASSWORD`]: passwords.first };
  const { hostname: host, port } = new URL(url);
  const line = await startTcpProxy({ host, port: Number(port) }, { records: true });
  const through = new URL(url);
  through.host = `127.0.0.1:${line.port}`;
  const app = migrate(through.href, args, passwordOf);
  expect(await app.ended).toBe(0);
  await line.down();
  expect(line.sent()).toContain('login password');
  expect(line.sent()).not.toContain(`secret of ${name}`);
  expect(app.output()).toContain(`The login ${name} is a member of auditbox_api.`);
  expect(app.output()).not.toContain(passwords.first);
  expect(await enter(passwords.first)).toBe(true);
  expect(
    await sql`select rolsuper, rolcreaterole, rolpassword like 'SCRAM-SHA-256$4096:%' as is_verifier
    from pg_authid where rolname = ${name}`,
  ).toEqual([{ rolsuper: false, rolcreaterole: false, is_verifier: true }]);
  expect(await migrate(url, args, { [`${name.toUpperCase()}_PASSWORD`]: passwords.second }).ended).toBe(0);
  expect(await enter(passwords.second)).toBe(true);
  await expect(enter(passwords.first)).rejects.toMatchObject({ code: '28P01' });
  // Without the variable the login stays as it is.
  expect(await migrate(url, args).ended).toBe(0);
  expect(await enter(passwords.second)).toBe(true);
  await sql`drop owned by ${sql(name)}`;
  await sql`drop role ${sql(name)}`;
});

test('--login gives no right but those of a process, and leaves a superuser as it is', async () => {
  const wrong = migrate(url, ['--login', 'me=auditbox_owner']);
  expect(await wrong.ended).toBe(1);
  expect(wrong.output()).toContain('It must be a name, = and one of auditbox_api,');
  const { username } = new URL(url);
  const mighty = migrate(url, ['--roles', '--login', `${username}=auditbox_api`], {
    [`${username.toUpperCase()}_PASSWORD`]: 'changed',
  });
  expect(await mighty.ended).toBe(1);
  expect(mighty.output()).toContain(`The login ${username} is a superuser, so it stays as it is.`);
});

test('no function may be called by everybody, except those of the indexes', async () => {
  await migrateDatabase(url);
  await setUpRoles(url);
  const open = await sql`
    select proname from pg_proc p where pronamespace = 'auditbox'::regnamespace
      and exists (select from aclexplode(coalesce(proacl, acldefault('f', proowner))) where grantee = 0)`;
  expect(open.map(({ proname }) => proname).sort()).toEqual(['audit_words', 'member_in_text']);
});

test('it says which session holds its lock, because any login can', async () => {
  const { promise: go, resolve: letGo } = Promise.withResolvers<void>();
  const { promise: isHeld, resolve: held } = Promise.withResolvers<number>();
  const holder = sql.begin(async (tx) => {
    const [row] = await tx<[{ pid: number }]>`select pg_backend_pid() as pid, pg_advisory_xact_lock(7283104911)`;
    held(row.pid);
    await go;
  });
  const pid = await isHeld;
  const app = migrate(url);
  await eventually(() => expect(app.output()).toContain(`select pg_terminate_backend(${pid})`));
  letGo();
  await holder;
  expect(await app.ended).toBe(0);
});

test('it waits for a database that does not answer yet', async () => {
  const through = new URL(url);
  const proxy = await startTcpProxy({ host: through.hostname, port: Number(through.port) });
  await proxy.down();
  through.host = `127.0.0.1:${proxy.port}`;
  const app = migrate(through.href);
  await eventually(() => expect(app.output()).toContain('Waiting up to 60 s.'));
  await proxy.up();
  expect(await app.ended).toBe(0);
  await proxy.down();
});

test.each([
  ['', 'DATABASE_URL is not set'],
  ['postgres://nobody:wrong@127.0.0.1:{port}/postgres', "The database's set-up is wrong (login refused): "],
])('with DATABASE_URL "%s" it stops at once and reports why', async (wrong, sentence) => {
  const { port } = new URL(inject('databaseServer'));
  const app = migrate(wrong.replace('{port}', port));
  expect(await app.ended).toBe(1);
  expect(app.output()).toContain(sentence);
});

test.each(['Audit', 'pg_audit', 'a-b', 'x"; drop table y; --'])('DATABASE_SCHEMA %j is refused', async (name) => {
  const app = migrate(url, [], { DATABASE_SCHEMA: name });
  expect(await app.ended).toBe(1);
  expect(app.output()).toContain('is not a name that DATABASE_SCHEMA accepts');
});

test('--search-index makes and removes the index of words, and rejects any other value', async () => {
  const isThere = async () =>
    (await sql`select to_regclass('auditbox.audit_log_words') is not null as there`)[0]?.there;
  expect(await migrate(url, ['--search-index', 'on']).ended).toBe(0);
  expect(await isThere()).toBe(true);
  expect(await migrate(url).ended).toBe(0);
  expect(await isThere()).toBe(true);
  expect(await migrate(url, ['--search-index', 'off']).ended).toBe(0);
  expect(await isThere()).toBe(false);
  expect(await migrate(url, ['--search-index', 'perhaps']).ended).toBe(1);
});
