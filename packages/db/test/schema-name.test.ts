import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { nameSchema } from '@auditbox/db/database/schema-name.ts';
import { reconcileOutbox } from '@auditbox/db/export/reconcile.ts';
import { sealBatches } from '@auditbox/db/export/seal-batches.ts';
import { migrateDatabase } from '@auditbox/db/migrate/migrate.ts';
import { setUpRoles } from '@auditbox/db/migrate/set-up-roles.ts';
import { makeMonths } from '@auditbox/db/months/make-months.ts';
import { countExporterConnections } from '@auditbox/db/observe/count-exporters.ts';
import { limits } from '@auditbox/testing/fixtures/outbox-fixture.ts';
import { createTestDatabase } from '@auditbox/testing/servers/template-database.ts';
import { drizzle } from 'drizzle-orm/postgres-js';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { outbox } from '../src/schema.ts';

const schemas = ['auditbox', 'order'] as const;
let url: string;
const open: Record<string, Database> = {};
const at = (schema: string) => open[schema] as Database;

beforeAll(async () => {
  url = await createTestDatabase(inject('databaseServer'), { empty: true });
  for (const schema of schemas) {
    await migrateDatabase(url, { schema });
    await setUpRoles(url, { schema });
    open[schema] = connectDatabase({ url, schema, application: 'test', maxConnections: 2, statementTimeoutMs: 20_000 });
  }
});
afterAll(() => Promise.all(Object.values(open).map((db) => db.close(1_000))));

const insert = (schema: string, rows: number) =>
  at(schema).query(
    (sql) => sql`
      insert into auditbox.audit_log (changed_by, action, table_name, object_id)
      select 'ana', 'updated', ${'auditbox.teams'}, n::text from generate_series(1, ${rows}::int) n`,
  );
const count = async (schema: string, table: string) =>
  (await at(schema).sql.unsafe<{ n: number }[]>(`select count(*)::int as n from auditbox.${table}`))[0]?.n;

test('two schemas in one database each have their own events and batches', async () => {
  await insert('auditbox', 2);
  await insert('order', 3);
  expect((await sealBatches(at('auditbox'), limits)).rows).toBe(2);
  expect((await sealBatches(at('order'), limits)).rows).toBe(3);
  for (const [schema, rows] of [
    ['auditbox', 2],
    ['order', 3],
  ] as const) {
    expect(await count(schema, 'audit_log')).toBe(rows);
    expect(await count(schema, 'outbox')).toBe(rows);
    expect(await count(schema, 'delivery')).toBe(1);
    expect((await reconcileOutbox(at(schema), '0', 100)).lostRows).toBe(0);
  }
});

test('exporters of another schema of the database are not counted', async () => {
  const exporter = connectDatabase({
    ...{ url, schema: 'order', application: 'auditbox exporter', maxConnections: 1, statementTimeoutMs: 20_000 },
  });
  try {
    await exporter.sql`select 1`;
    expect(await Promise.all(schemas.map((schema) => countExporterConnections(at(schema), schema)))).toEqual([0, 1]);
  } finally {
    await exporter.close(1_000);
  }
});

test('a name in a value or a literal stays as it was written', async () => {
  const { sql } = at('order');
  const [row] = await sql`select table_name, ${'auditbox.x'}::text as value from auditbox.audit_log limit 1`;
  expect(row).toEqual({ table_name: 'auditbox.teams', value: 'auditbox.x' });
  const [literal] = await sql.unsafe("select 'auditbox.it''s auditbox.y' as value from auditbox.outbox limit 1");
  expect(literal).toEqual({ value: "auditbox.it's auditbox.y" });
});

test('transactions, nested fragments and drizzle use the schema too', async () => {
  const { sql } = at('order');
  await sql.begin(async (tx) => {
    const from = tx`from auditbox.outbox`;
    expect(await tx`select count(*)::int as n ${from}`).toEqual([{ n: 3 }]);
    await tx.savepoint(async (inner) =>
      expect(await inner`select count(*)::int as n from auditbox.outbox`).toEqual([{ n: 3 }]),
    );
  });
  expect(await drizzle(sql).select().from(outbox)).toHaveLength(3);
});

test('a month, an append-only trigger and an error name the schema that they belong to', async () => {
  await makeMonths(at('order'), ['1999-05-01T00:00:00Z']);
  const { sql } = at('order');
  expect(await sql`select to_regclass('auditbox.audit_log_1999_05') is not null as here`).toEqual([{ here: true }]);
  expect(await at('auditbox').sql`select to_regclass('auditbox.audit_log_1999_05') is not null as here`).toEqual([
    { here: false },
  ]);
  await expect(sql`delete from auditbox.audit_log`).rejects.toThrow('order.audit_log is append-only');
});

test.each([
  ['select from auditbox.outbox', 'select from "x".outbox'],
  ['select from "auditbox"."outbox"', 'select from "x"."outbox"'],
  ["where n.nspname = 'auditbox'", "where n.nspname = 'x'"],
  ["'auditbox.audit_log'::regclass", `'"x".audit_log'::regclass`],
  [
    'revoke all on all functions in schema auditbox from public',
    'revoke all on all functions in schema "x" from public',
  ],
  ["format('drop table auditbox.%I', m)", `format('drop table "x".%I', m)`],
  ['grant usage on schema auditbox to auditbox_api', 'grant usage on schema "x" to auditbox_api'],
  ["set application_name = 'auditbox api'", "set application_name = 'auditbox api'"],
  ['-- Auditbox. auditbox_owner', '-- Auditbox. auditbox_owner'],
  ['my_auditbox.outbox', 'my_auditbox.outbox'],
  // The name of the product in an event.
  ["return 'auditbox.' || name", "return 'auditbox.' || name"],
])('%j becomes %j', (text, named) => {
  expect(nameSchema(text, 'x')).toBe(named);
  expect(nameSchema(text, 'auditbox')).toBe(text);
});
