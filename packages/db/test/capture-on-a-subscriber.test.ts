import { connectDatabase } from '@auditbox/db/database/connect.ts';
import { findCaptureProblems } from '@auditbox/db/doctor/find-capture-problems.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { startOwnPostgres } from '@auditbox/testing/servers/own-postgres.ts';
import { createTestDatabase } from '@auditbox/testing/servers/template-database.ts';
import { expect, test } from 'vitest';

test('the check names a captured table that logical replication writes to, because nothing there is recorded', async () => {
  const own = await startOwnPostgres({ settings: ['wal_level=logical'] });
  const from = new URL(await createTestDatabase(own.url, { empty: true }));
  const publisher = connectDatabase({
    url: from.href,
    application: 'test',
    maxConnections: 1,
    statementTimeoutMs: 20_000,
  });
  const table = 'create schema shop; create table shop.item (id int primary key)';
  // On one server, a subscription that made its slot would wait for itself.
  await publisher.sql.unsafe(`${table}; create publication items for table shop.item`).simple();
  await publisher.sql`select pg_create_logical_replication_slot('items', 'pgoutput')`;
  await own.sql.unsafe(`${table}; select auditbox.capture('shop.item')`).simple();
  const subscriber = connectDatabase({
    url: own.url,
    application: 'test',
    maxConnections: 1,
    statementTimeoutMs: 20_000,
  });
  expect(await findCaptureProblems(subscriber)).toEqual([]);

  const to = `host=${from.hostname} port=${from.port} dbname=${from.pathname.slice(1)} user=${from.username} password=${from.password}`;
  await own.sql.unsafe(
    `create subscription items connection '${to}' publication items with (create_slot = false, copy_data = false)`,
  );
  await publisher.sql`insert into shop.item values (1)`;
  await eventually(async () => expect(await own.sql`select from shop.item`).toHaveLength(1));
  // If Postgres records it one day, the check and its page are wrong.
  expect(await own.sql`select from auditbox.audit_log where table_name = 'shop.item'`).toHaveLength(0);
  expect((await findCaptureProblems(subscriber)).map(({ says }) => says)).toEqual([
    'shop.item gets changes from the subscription items, and they are not recorded',
  ]);

  await own.sql`drop subscription items`;
  await Promise.all([publisher, subscriber].map((db) => db.close(1_000)));
  await own.close();
});
