import { createAuditEvent } from '@auditbox/core/event/create-audit-event.ts';
import { checkDatabase } from '@auditbox/db/database/check-database.ts';
import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { identify } from '@auditbox/db/events/event-record.ts';
import { storeEachEvent } from '@auditbox/db/events/store-each.ts';
import { pruneOutbox } from '@auditbox/db/export/prune-outbox.ts';
import { sealBatches } from '@auditbox/db/export/seal-batches.ts';
import { migrateDatabase } from '@auditbox/db/migrate/migrate.ts';
import { closeMonth, dropMonth } from '@auditbox/db/months/expired-months.ts';
import { createFeedEdge } from '@auditbox/db/queries/feed-edge.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { startOwnPostgres } from '@auditbox/testing/servers/own-postgres.ts';
import { spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { createTestDatabase } from '@auditbox/testing/servers/template-database.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { migrateWithRoles, type ProcessRole, urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';

const main = new URL('../src/main.ts', import.meta.url);
const open: Database[] = [];
let db: TestDatabase;
let api: Database;
let exporter: Database;
let retention: Database;

const openAs = (role: ProcessRole, url = db.url) => {
  const as = connectDatabase({
    url: urlAs(role, url),
    application: 'test',
    maxConnections: 2,
    statementTimeoutMs: 20_000,
  });
  open.push(as);
  return as;
};

beforeAll(async () => {
  db = await openTestDatabase();
  api = openAs('api');
  exporter = openAs('exporter');
  retention = openAs('exporter with retention');
  await db.store([anEvent()]);
});
afterAll(() => Promise.all([db, ...open].map((each) => each.close(1_000))));

const limits = { grain: 'hour', maxRows: 100, maxBytes: 1_000_000, lingerMs: 0, maxBatches: 100 } as const;
const denied = { code: '42501' };
const insert = `insert into audit_log (changed_by, action, table_name, object_id) values ('x', 'created', 't', '1')`;
const markAllDone = () => db.sql`
  update export_batch set state = 'done', object_key = 'k', bytes = 1, object_bytes = 1, sha256 = ${'a'.repeat(64)},
    exported_at = now() - interval '8 days' where state = 'sealed'`;

test('what the api inserts gets its outbox row, in whatever month, and it can write none itself', async () => {
  for (const updated_at of [new Date().toISOString(), '1987-06-05T00:00:00Z']) {
    const event = identify(createAuditEvent(anEvent({ updated_at })));
    expect(await storeEachEvent(api, [event])).toMatchObject([{ stored: true }]);
    expect(await db.sql`select from outbox where audit_id = ${event.id}`).toHaveLength(1);
  }
});

const month = 'audit_log_2026_07';
const forbidden: Record<string, readonly [() => Database, readonly string[]]> = {
  api: [
    () => api,
    [
      `insert into outbox (audit_id, occurred_at, recorded_at, bytes) values (gen_random_uuid(), now(), now(), 1)`,
      // The function writes with its owner's rights: on a table of one's own it would write outbox rows of no event.
      `create temp table mine (like audit_log);
       create trigger mine after insert on mine referencing new table as recorded
       for each statement execute function audit_log_to_outbox()`,
      'update outbox set batch_id = 1',
      'delete from outbox',
      'delete from audit_log',
      "update audit_log set action = 'x'",
      'truncate audit_log',
      `insert into ${month} (changed_by, action, table_name, object_id) values ('x', 'created', 't', '1')`,
      'alter table audit_log disable trigger all',
      `drop table ${month}`,
      'set session_replication_role = replica',
      'insert into export_batch (partition, row_count, first_occurred_at, last_occurred_at) values (1, 1, now(), now())',
      "update export_batch set state = 'failed'",
      'delete from pruned_event',
      `insert into api_key (name, key_hash, scopes) values ('mallory', 'x', '{read}')`,
      'update api_key set revoked_at = null',
      'create table mine (id int)',
      'set role auditbox_retention',
      `select audit_log_close_month('${month}')`,
      `select audit_log_drop_month('${month}')`,
      'select outbox_prune(0, 1)',
    ],
  ],
  exporter: [
    () => exporter,
    [
      insert,
      "update audit_log set action = 'x'",
      'delete from audit_log',
      'truncate audit_log',
      `delete from ${month}`,
      `drop table ${month}`,
      'insert into outbox (audit_id, occurred_at, recorded_at, bytes) values (gen_random_uuid(), now(), now(), 1)',
      'update outbox set audit_id = gen_random_uuid()',
      'delete from outbox',
      'truncate outbox',
      'insert into pruned_event values (gen_random_uuid(), now(), 1)',
      'select from api_key',
      'set role auditbox_retention',
      `select audit_log_close_month('${month}')`,
      `select audit_log_drop_month('${month}')`,
      'select outbox_prune(0, 1)',
    ],
  ],
  'exporter with retention': [
    () => retention,
    [
      insert,
      "update audit_log set action = 'x'",
      // Deleting is a deliberate act: it takes `set role`.
      'delete from audit_log',
      'truncate audit_log',
      `drop table ${month}`,
      'delete from outbox',
      'delete from pruned_event',
      'select from api_key',
    ],
  ],
};

test.each(
  Object.entries(forbidden).flatMap(([name, [as, statements]]) =>
    statements.map((statement) => [name, statement, as] as const),
  ),
)('the %s may not: %s', async (_name, statement, as) => {
  await expect(as().sql.unsafe(statement)).rejects.toMatchObject(denied);
});

test('retention removes exported events alone, whatever the exporter asks for', async () => {
  const old = anEvent({ updated_at: '2019-05-15T00:00:00Z' });
  await db.store([old]);
  const expired = { name: 'audit_log_2019_05', isClosed: false };
  await expect(dropMonth(retention, expired)).rejects.toThrow('is not closed');
  await closeMonth(retention, expired);
  expect(await dropMonth(retention, expired)).toBe(false);
  expect(await pruneOutbox(retention, 0, 100)).toBe(0);
  const { batches } = await sealBatches(exporter, limits);
  expect(batches).toBeGreaterThan(0);
  expect(await dropMonth(retention, expired)).toBe(false);
  await markAllDone();
  expect(await dropMonth(retention, expired)).toBe(true);
  expect(await pruneOutbox(retention, 7, 100)).toBeGreaterThan(0);
  expect(await db.sql`select to_regclass('audit_log_2019_05') as table`).toEqual([{ table: null }]);
});

test.each([
  [`audit_log_${new Date().toISOString().slice(0, 7).replace('-', '_')}`, 'is not over'],
  ['api_key', 'is no month of audit_log'],
  ['audit_log_2019_13', ''],
])('retention cannot close %s', async (name, sentence) => {
  await expect(closeMonth(retention, { name, isClosed: false })).rejects.toThrow(sentence);
});

test('each process can tell that its database is fit, and which transactions run', async () => {
  for (const as of [api, exporter]) {
    expect(await checkDatabase(as)).toBeNull();
    await expect(createFeedEdge(as)()).resolves.toMatchObject({ safe: expect.any(BigInt) });
  }
});

test('tables of its own, named like those that the trigger uses, change nothing about what the trigger does', async () => {
  await api.sql.begin(async (tx) => {
    await tx.unsafe('create temp table recorded (like audit_log); create temp table outbox (like outbox)').simple();
    const [row] = await tx.unsafe(`${insert} returning id`);
    expect(await tx`select from public.outbox where audit_id = ${row?.id}`).toHaveLength(1);
    await tx`drop table recorded, pg_temp.outbox`;
  });
});

test('the roles are right in each database when several migrators make them at once, and twice', async () => {
  const own = await startOwnPostgres();
  const urls = await Promise.all([1, 2, 3].map(() => createTestDatabase(own.url, { empty: true })));
  const { promise: go, resolve: letGo } = Promise.withResolvers<void>();
  const another = own.sql.begin(async (tx) => {
    await tx`create role auditbox_api nologin`;
    await go;
  });
  const apps = [...urls, ...urls].map((url) => spawnApp(main, { DATABASE_URL: url }, ['--roles']));
  await eventually(async () => {
    expect(await own.sql`select from pg_locks where not granted and locktype = 'transactionid'`).not.toHaveLength(0);
  }, 30_000);
  letGo();
  await another;
  expect(await Promise.all(apps.map(({ ended }) => ended))).toEqual(apps.map(() => 0));
  expect(apps[0]?.output()).toContain('The roles auditbox_api, auditbox_exporter and auditbox_retention');
  await migrateWithRoles(own.url);
  for (const url of urls) {
    const as = openAs('api', url);
    expect(await storeEachEvent(as, [identify(createAuditEvent(anEvent()))])).toMatchObject([{ stored: true }]);
    await expect(as.sql`delete from outbox`).rejects.toMatchObject(denied);
    const asExporter = openAs('exporter', url);
    expect((await sealBatches(asExporter, limits)).rows).toBe(1);
    await Promise.all([as, asExporter].map((each) => each.close(1_000)));
  }
  await own.close();
});

test('a later migration keeps rights up to date where the roles are in use, and only there', async () => {
  await db.sql`revoke select on outbox_status from auditbox_api`;
  await db.sql`grant delete on outbox to auditbox_api`;
  await migrateDatabase(db.url);
  expect(await checkDatabase(api)).toBeNull();
  await expect(api.sql`delete from outbox`).rejects.toMatchObject(denied);
  const other = await createTestDatabase(inject('databaseServer'), { empty: true });
  await migrateDatabase(other);
  await expect(openAs('api', other).sql`select from audit_log`).rejects.toMatchObject(denied);
});

test('a migrator without the right to make roles learns which right it needs', async () => {
  const own = await startOwnPostgres();
  const server = new URL(own.url);
  await own.sql`create role migrator login password 'm'`;
  await own.sql`create database theirs owner migrator`;
  [server.username, server.password, server.pathname] = ['migrator', 'm', '/theirs'];
  const migrate = () => spawnApp(main, { DATABASE_URL: server.href }, ['--roles']);
  const refused = migrate();
  expect(await refused.ended).toBe(1);
  expect(refused.output()).toContain('this user may not make roles. Give it CREATEROLE');

  await own.sql`alter role migrator createrole`;
  const given = migrate();
  expect(await given.ended).toBe(0);
  expect(given.output()).toContain('grant pg_read_all_stats to auditbox_api, auditbox_exporter');

  // The roles exist now, so the right to make roles is not needed.
  await own.sql`alter role migrator nocreaterole`;
  expect(await migrate().ended).toBe(0);
  await own.sql.unsafe("create role test_api login password 'under-test' in role auditbox_api").simple();
  const as = openAs('api', server.href);
  expect(await checkDatabase(as)).toBeNull();
  expect(await storeEachEvent(as, [identify(createAuditEvent(anEvent()))])).toMatchObject([{ stored: true }]);
  await as.close(1_000);
  await own.close();
});
