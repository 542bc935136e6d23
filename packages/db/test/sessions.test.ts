import { checkDatabase } from '@auditbox/db/database/check-database.ts';
import { connectDatabase, type DatabaseOptions } from '@auditbox/db/database/connect.ts';
import { copyRows } from '@auditbox/db/database/copy-rows.ts';
import { commonSettings } from '@auditbox/db/database/session-settings.ts';
import { sealBatches } from '@auditbox/db/export/seal-batches.ts';
import { migrateDatabase } from '@auditbox/db/migrate/migrate.ts';
import { setUpRoles } from '@auditbox/db/migrate/set-up-roles.ts';
import { asOwnerOutsideTransactions } from '@auditbox/db/migrate/turns.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { limits } from '@auditbox/testing/fixtures/outbox-fixture.ts';
import { hasPgBouncer, startOwnPgBouncer } from '@auditbox/testing/servers/own-pgbouncer.ts';
import { startOwnPostgres } from '@auditbox/testing/servers/own-postgres.ts';
import { startOwnReplica } from '@auditbox/testing/servers/own-replica.ts';
import { createTestDatabase } from '@auditbox/testing/servers/template-database.ts';
import postgres, { type Sql } from 'postgres';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';

const hostile: Record<string, string> = {
  datestyle: 'SQL, DMY',
  intervalstyle: 'iso_8601',
  timezone: 'Asia/Shanghai',
  standard_conforming_strings: 'off',
  client_encoding: 'LATIN1',
  search_path: 'public',
  row_security: 'on',
  default_transaction_isolation: 'serializable',
  default_transaction_read_only: 'on',
  // Long enough for a slow machine: behind a pooler BEGIN and our settings run under them.
  statement_timeout: '55s',
  lock_timeout: '56s',
  idle_in_transaction_session_timeout: '57s',
  idle_session_timeout: '58s',
  transform_null_equals: 'on',
  gin_fuzzy_search_limit: '1',
  exit_on_error: 'on',
  extra_float_digits: '-15',
  bytea_output: 'escape',
  array_nulls: 'off',
  quote_all_identifiers: 'on',
};

let url: string;
let sql: Sql;
let knowsTransactionTimeout = false;
beforeAll(async () => {
  url = await createTestDatabase(inject('databaseServer'), { empty: true });
  sql = postgres(url, {
    max: 1,
    onnotice: () => {},
    connection: { statement_timeout: 0, default_transaction_read_only: false },
  });
  await sql.unsafe('create function public.to_json(text) returns json language sql as $$ select \'"forged"\'::json $$');
  const { pathname } = new URL(url);
  const [{ version = 0 } = {}] = await sql`select current_setting('server_version_num')::int as version`;
  knowsTransactionTimeout = version >= 170_000;
  if (knowsTransactionTimeout) hostile.transaction_timeout = '3000';
  for (const [name, value] of Object.entries(hostile))
    await sql.unsafe(
      `alter database ${pathname.slice(1)} set ${name} = ${name === 'search_path' ? value : `'${value}'`}`,
    );
  await migrateDatabase(url);
  await setUpRoles(url);
});
afterAll(() => sql.end());

const connect = (suffix: string, more: Partial<DatabaseOptions> = {}) =>
  connectDatabase({
    url: `${url}${suffix}`,
    application: 'test',
    maxConnections: 2,
    statementTimeoutMs: 20_000,
    ...more,
  });

test('months of a database with hostile settings begin and end in UTC', async () => {
  const months =
    await sql`select starts_at = date_trunc('month', starts_at, 'UTC') as "isUtc" from auditbox.list_months()`;
  expect(months).toEqual([{ isUtc: true }, { isUtc: true }, { isUtc: true }, { isUtc: true }]);
});

test.each([
  ['directly', ''],
  ['behind a pooler, where start-up parameters do not arrive', '?prepare=false'],
])('%s, each statement runs with our settings, whatever the database has', async (_how, suffix) => {
  const db = connect(suffix);
  const names = [
    ...Object.keys(commonSettings),
    'statement_timeout',
    'lock_timeout',
    'idle_in_transaction_session_timeout',
    'synchronous_commit',
    'default_transaction_read_only',
    'transaction_isolation',
  ];
  const rows = await db.query(
    (q) => q<{ name: string; value: string }[]>`
    select name, current_setting(name) as value from json_array_elements_text(${JSON.stringify(names)}::text::json) as name`,
  );
  expect(Object.fromEntries(rows.map(({ name, value }) => [name, value]))).toEqual({
    ...commonSettings,
    statement_timeout: '20s',
    lock_timeout: '0',
    idle_in_transaction_session_timeout: '30s',
    synchronous_commit: 'on',
    default_transaction_read_only: 'off',
    transaction_isolation: 'read committed',
  });
  expect((await db.query((q) => q`select to_json('ž'::text)::text as text`))[0]).toEqual({ text: '"ž"' });
  await db.close(1_000);
});

test.each(['', '?prepare=false'])(
  'with "%s" an event is written, sealed and copied under hostile settings',
  async (suffix) => {
    const db = connect(suffix);
    await db.query(
      (q) =>
        q`insert into auditbox.audit_log (changed_by, action, table_name, object_id) values ('ž', 'created', 't', '1')`,
    );
    expect(await sealBatches(db, limits)).toMatchObject({ looked: true, rows: 1 });
    const chunks: Buffer[] = [];
    await copyRows(
      db,
      'copy (select changed_by from auditbox.audit_log limit 1) to stdout',
      (chunk) => void chunks.push(chunk),
      new AbortController().signal,
    );
    expect(Buffer.concat(chunks).toString()).toBe('ž\n');
    await db.close(1_000);
  },
);

test.concurrent.each(['', '?prepare=false'])(
  'with "%s" a statement may last longer than the transaction_timeout of the database, on every connection',
  async (suffix) => {
    for (let pools = 0; pools < 2; pools += 1) {
      const db = connect(suffix);
      const rows = await Promise.all(
        [1, 2].map(() =>
          db.query(
            (q) => q`select current_setting('transaction_timeout', true) as value, pg_sleep(3.3)::text as slept`,
          ),
        ),
      );
      for (const [row] of rows) expect(row?.value).toBe(knowsTransactionTimeout ? '0' : null);
      await db.close(1_000);
    }
  },
);

test.concurrent('a migrator may need longer than the transaction_timeout of the database', async () => {
  await asOwnerOutsideTransactions(url, 'auditbox', async (migrator) => {
    expect(await migrator`select pg_sleep(3.3)::text as slept`).toHaveLength(1);
  });
});

test('behind a pooler a statement that fails undoes itself, and the next statement works', async () => {
  const db = connect('?prepare=false');
  await expect(db.query((q) => q`delete from auditbox.audit_log`)).rejects.toMatchObject({ code: '42501' });
  await expect(db.query((q) => q`select 1 / 0`)).rejects.toMatchObject({ code: '22012' });
  expect(await checkDatabase(db)).toBeNull();
  await db.close(1_000);
});

test('behind a pooler a connection that dies in a statement fails it, and the pool goes on', async () => {
  const db = connect('?prepare=false', { application: 'dies', maxConnections: 1 });
  const dying = db.query((tx) => tx`select pg_sleep(60)`).catch((error: unknown) => error);
  await eventually(async () => {
    const ended = await sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'dies' and query like '%pg_sleep%'`;
    expect(ended).toHaveLength(1);
  });
  expect(await dying).toMatchObject({ kind: 'unreachable' });
  // The driver gives the error of the server to the next statement too.
  await eventually(async () => expect(await db.query((tx) => tx`select 1 as one`)).toEqual([{ one: 1 }]));
  await db.close(1_000);
});

test('a pool that only reads cannot write, behind a pooler too', async () => {
  for (const suffix of ['', '?prepare=false']) {
    const db = connect(suffix, { onlyReads: 'any' });
    await expect(db.query((q) => q`create table auditbox.x ()`)).rejects.toMatchObject({ code: '25006' });
    await db.close(1_000);
  }
});

test.skipIf(!hasPgBouncer)(
  'behind PgBouncer, fifty statements at once on three connections each have our settings',
  async () => {
    const pooler = await startOwnPgBouncer(url, { poolSize: 3 });
    const db = connectDatabase({
      url: pooler.urlOf('auditbox_api'),
      application: 'test',
      maxConnections: 10,
      statementTimeoutMs: 20_000,
    });
    const rows = await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        db.query(
          (q) => q`select ${n}::int as n, current_setting('search_path') || current_setting('DateStyle') as set`,
        ),
      ),
    );
    expect(rows.map(([row]) => row)).toEqual(rows.map((_, n) => ({ n, set: 'pg_catalog, pg_tempISO, YMD' })));
    await db.close(1_000);
    await pooler.close();
  },
);

test('a statement that a row-level policy would filter fails instead of seeing fewer rows', async () => {
  const own = new URL(await createTestDatabase(inject('databaseServer')));
  const admin = postgres(own.href, { max: 1 });
  await admin`alter table auditbox.outbox enable row level security`;
  own.username = 'test_exporter';
  own.password = 'under-test';
  const db = connectDatabase({ url: own.href, application: 'test', maxConnections: 1, statementTimeoutMs: 20_000 });
  await expect(db.query((q) => q`select from auditbox.outbox`)).rejects.toMatchObject({ code: '42501' });
  await Promise.all([db.close(1_000), admin.end()]);
});

test('of two hosts the one that takes writes is used, and after a failover the other one', async () => {
  const primary = await startOwnPostgres();
  const replica = await startOwnReplica(primary);
  const both = primary.url.replace(
    /@[^/]+/,
    `@127.0.0.1:${new URL(replica.url).port},127.0.0.1:${new URL(primary.url).port}`,
  );
  const db = connectDatabase({ url: both, application: 'test', maxConnections: 2, statementTimeoutMs: 5_000 });
  const write = () => db.query((q) => q`create temp table x as select pg_is_in_recovery() as standby`);
  await write();
  expect(await checkDatabase(db)).toBeNull();
  await primary.close();
  const promote = postgres(replica.url, { max: 1, onnotice: () => {} });
  await promote`select pg_promote()`;
  await promote.end();
  await eventually(write);
  expect(await checkDatabase(db)).toBeNull();
  await db.close(1_000);
  await replica.close();
});

test('a pool that leads to a standby fails the check, and finds the primary once the name leads there', async () => {
  const primary = await startOwnPostgres();
  await primary.sql`alter database postgres set default_transaction_read_only = on`;
  const replica = await startOwnReplica(primary);
  const db = connectDatabase({ url: replica.url, application: 'test', maxConnections: 1, statementTimeoutMs: 5_000 });
  await expect(checkDatabase(db)).rejects.toMatchObject({ code: '25006', kind: 'read-only' });
  const before = db.sql;
  await expect(db.query((q) => q`create table auditbox.x ()`)).rejects.toMatchObject({ code: '25006' });
  expect(db.sql).not.toBe(before);
  const promote = postgres(replica.url, { max: 1, onnotice: () => {} });
  await promote`select pg_promote()`;
  await promote.end();
  await eventually(() => checkDatabase(db));
  await db.close(1_000);
  await replica.close();
  await primary.close();
});
