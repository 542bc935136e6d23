import { randomUUID } from 'node:crypto';
import { createAuditEvent } from '@auditbox/core/event/create-audit-event.ts';
import { checkDatabase } from '@auditbox/db/database/check-database.ts';
import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { identify } from '@auditbox/db/events/event-record.ts';
import { storeEachEvent } from '@auditbox/db/events/store-each.ts';
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
let writer: Database;

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
  retention = openAs('retention');
  writer = openAs('writer');
  await db.store([anEvent()]);
});
afterAll(() => Promise.all([db, ...open].map((each) => each.close(1_000))));

const limits = {
  grain: 'hour',
  byTenant: false,
  maxRows: 100,
  maxBytes: 1_000_000,
  lingerMs: 0,
  maxBatches: 100,
} as const;
const denied = { code: '42501' };
const insert = `insert into auditbox.audit_log (changed_by, action, table_name, object_id) values ('x', 'created', 't', '1')`;

test('what the api inserts gets its outbox row, in whatever month, and it can write none itself', async () => {
  for (const updated_at of [new Date().toISOString(), '1987-06-05T00:00:00Z']) {
    const event = identify(createAuditEvent(anEvent({ updated_at })));
    expect(await storeEachEvent(api, [event])).toMatchObject([{ stored: true }]);
    expect(await db.sql`select from auditbox.outbox where audit_id = ${event.id}`).toHaveLength(1);
  }
});

test('the writer may insert with returning and on conflict, and record the same event twice', async () => {
  const id = randomUUID();
  const again = () => writer.sql`
    insert into auditbox.audit_log (id, occurred_at, changed_by, action, table_name, object_id)
    values (${id}, '2026-07-03T01:00:00Z', 'x', 'created', 't', '1') on conflict do nothing returning id`;
  expect(await again()).toEqual([{ id }]);
  expect(await again()).toEqual([]);
  const elsewhere = writer.sql`
    insert into auditbox.audit_log (id, occurred_at, changed_by, action, table_name, object_id)
    values (${id}, '2026-07-04T01:00:00Z', 'x', 'created', 't', '1') on conflict do nothing`;
  await expect(elsewhere).rejects.toMatchObject({ code: '23505', hint: expect.stringContaining('auditbox.record(') });
  const recorded = randomUUID();
  for (let n = 0; n < 2; n += 1) {
    const [row] = await writer.sql`
      select auditbox.record('x', 'created', 't', '1', updated_at => '2026-07-03T01:00:00Z', id => ${recorded}) as id`;
    expect(row).toEqual({ id: recorded });
  }
});

const month = 'auditbox.audit_log_2026_07';
const nobodyMay = [
  'insert into auditbox.outbox (audit_id, occurred_at, recorded_at, bytes) values (gen_random_uuid(), now(), now(), 1)',
  'update auditbox.outbox set bytes = 1',
  'delete from auditbox.outbox',
  "update auditbox.audit_log set action = 'x'",
  'delete from auditbox.audit_log',
  'truncate auditbox.audit_log',
  `insert into ${month} (changed_by, action, table_name, object_id) values ('x', 'created', 't', '1')`,
  `delete from ${month}`,
  `drop table ${month}`,
  'alter table auditbox.audit_log disable trigger all',
  'set session_replication_role = replica',
  'update auditbox.frontier set sealed_up_to = 9',
  "insert into auditbox.batch (partition, outbox_ids, row_count, first_occurred_at, last_occurred_at, first_recorded_at) values ('2026-07-01', '{[1,2)}', 1, now(), now(), now())",
  'delete from auditbox.batch',
  `insert into auditbox.api_key (name, key_hash, scopes) values ('mallory', 'x', '{read}')`,
  'update auditbox.api_key set revoked_at = null',
  `insert into auditbox.migration values ('0000_tables', 'x')`,
  "select setval('auditbox.outbox_id_seq', 1)",
  'create table auditbox.mine (id int)',
  "create function auditbox.mine() returns int language sql as 'select 1'",
  'set role auditbox_owner',
  // The function writes with its owner's rights: on another table it would write outbox rows of no event.
  `create temp table mine (like auditbox.audit_log);
   create trigger mine after insert on mine referencing new table as recorded
   for each statement execute function auditbox.audit_log_to_outbox()`,
];
const ofRetention = [
  "select auditbox.close_month('audit_log_2026_07')",
  "select auditbox.drop_month('audit_log_2026_07', 's3')",
  'select auditbox.forget_dropped(1)',
  'set role auditbox_retention',
];
const ofExporter = [
  "select auditbox.seal('hour', 1, 1, 0, 1)",
  'select auditbox.repair_frontier()',
  "update auditbox.delivery set state = 'failed'",
  'delete from auditbox.delivery',
  `insert into auditbox.destination values ('mine')`,
  `insert into auditbox.rejection (destination, outbox_id, batch_id, audit_id, occurred_at, reason) values ('s3', 1, 1, gen_random_uuid(), now(), 'x')`,
];
const ofWriter = [insert, 'select from auditbox.api_key'];
const forbidden: Record<string, readonly [() => Database, readonly string[]]> = {
  api: [() => api, [...nobodyMay, ...ofRetention, ...ofExporter]],
  exporter: [() => exporter, [...nobodyMay, ...ofRetention, ...ofWriter]],
  retention: [() => retention, [...nobodyMay, ...ofExporter, ...ofWriter]],
  writer: [
    () => writer,
    [
      ...nobodyMay,
      ...ofRetention,
      ...ofExporter,
      'select from auditbox.api_key',
      'select changed_by from auditbox.audit_log',
      'select from auditbox.outbox',
      `insert into auditbox.audit_log (recorded_at, changed_by, action, table_name, object_id) values (now(), 'x', 'x', 't', '1')`,
      "select auditbox.make_month('1999-01-01')",
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

test('the exporter cannot make a delivery done that it did not send', async () => {
  await sealBatches(exporter, limits);
  await expect(
    exporter.sql`update auditbox.delivery set state = 'done', done_at = now(), sha256 = repeat('a', 64), object_key = 'k',
      ndjson_bytes = 1, object_bytes = 1 where state = 'sealed'`,
  ).rejects.toMatchObject(denied);
});

test('no login of a process sees what others run', async () => {
  for (const as of [api, exporter, retention, writer]) {
    const [row] = await as.sql`select pg_has_role('pg_read_all_stats', 'usage') as sees`;
    expect(row).toEqual({ sees: false });
  }
  expect((await api.sql`select is_complete from auditbox.oldest_transaction()`)[0]).toEqual({ is_complete: true });
});

test('retention removes archived events alone', async () => {
  await db.store([anEvent({ updated_at: '2019-05-15T00:00:00Z' })]);
  const expired = { name: 'audit_log_2019_05' };
  await expect(dropMonth(retention, expired, 's3')).rejects.toThrow('is not closed');
  await closeMonth(retention, expired);
  expect(await dropMonth(retention, expired, 's3')).toBe(false);
  await sealBatches(exporter, limits);
  expect(await dropMonth(retention, expired, 's3')).toBe(false);
});

test.each([
  [`audit_log_${new Date().toISOString().slice(0, 7).replace('-', '_')}`, 'is not over'],
  ['api_key', 'is not a month of audit_log'],
])('retention cannot close %s', async (name, sentence) => {
  await expect(closeMonth(retention, { name })).rejects.toThrow(sentence);
});

test('each process can find out whether its database is fit, and the api which transactions run', async () => {
  await expect(createFeedEdge(api)()).resolves.toMatchObject([{ safe: expect.any(BigInt) }]);
  for (const as of [api, exporter, retention]) expect(await checkDatabase(as)).toBeNull();
});

test('temp tables and a temp domain, named like what the trigger uses, change nothing about what the trigger does', async () => {
  await api.sql.begin(async (tx) => {
    await tx
      .unsafe(
        `create temp table recorded (like auditbox.audit_log); create temp table outbox (like auditbox.outbox);
         create function pg_temp.evil(pg_catalog.uuid) returns boolean language plpgsql as
           $f$ begin if current_user <> session_user then raise 'ran as %', current_user; end if; return true; end $f$;
         create domain pg_temp.uuid as pg_catalog.uuid check (pg_temp.evil(value))`,
      )
      .simple();
    const [row] = await tx.unsafe(`${insert} returning id`);
    expect(await tx`select from auditbox.outbox where audit_id = ${row?.id}`).toHaveLength(1);
    await tx`drop table pg_temp.recorded, pg_temp.outbox`;
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
  });
  letGo();
  await another;
  expect(await Promise.all(apps.map(({ ended }) => ended))).toEqual(apps.map(() => 0));
  expect(apps[0]?.output()).toContain(
    'The roles auditbox_api, auditbox_exporter, auditbox_retention and auditbox_writer',
  );
  await migrateWithRoles(own.url);
  for (const url of urls) {
    const as = openAs('api', url);
    expect(await storeEachEvent(as, [identify(createAuditEvent(anEvent()))])).toMatchObject([{ stored: true }]);
    await expect(as.sql`delete from auditbox.outbox`).rejects.toMatchObject(denied);
    const asExporter = openAs('exporter', url);
    expect((await sealBatches(asExporter, limits)).rows).toBe(1);
    await Promise.all([as, asExporter].map((each) => each.close(1_000)));
  }
  await own.close();
});

test('a later migration keeps rights up to date where the roles are in use, and only there', async () => {
  await db.sql`revoke select on auditbox.outbox_status from auditbox_api`;
  await db.sql`grant delete on auditbox.outbox to auditbox_api`;
  await migrateDatabase(db.url);
  expect(await checkDatabase(api)).toBeNull();
  await expect(api.sql`delete from auditbox.outbox`).rejects.toMatchObject(denied);
  const other = await createTestDatabase(inject('databaseServer'), { empty: true });
  await migrateDatabase(other);
  await expect(openAs('api', other).sql`select from auditbox.audit_log`).rejects.toMatchObject(denied);
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
  expect(given.output()).toContain('grant pg_read_all_stats to migrator');

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
