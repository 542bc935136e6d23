import { readFile } from 'node:fs/promises';
import { migrateDatabase } from '@auditbox/db/migrate/migrate.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { createTestDatabase } from '@auditbox/testing/servers/template-database.ts';
import postgres, { type Sql } from 'postgres';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';

let url: string;
let sql: Sql;
beforeEach(async () => {
  url = await createTestDatabase(inject('databaseServer'), { empty: true });
  sql = postgres(url, { max: 3, onnotice: () => {} });
  await migrateUpTo('traceparent');
  await sql`select audit_log_make_partition(now())`;
});
afterEach(() => sql.end());

test('the column is added without a rewrite of any partition', async () => {
  await insert();
  const files = () => sql`
    select oid::regclass::text as name, relfilenode from pg_class where relname ~ '^audit_log_\\d' and relkind = 'r'`;
  const before = await files();
  await migrateDatabase(url);
  expect(await files()).toEqual(expect.arrayContaining([...before]));
  expect(await sql`select traceparent from audit_log`).toEqual([{ traceparent: null }]);
});

test('during a long read the migration blocks writers only for its lock timeout, and succeeds after the read', async () => {
  const { promise: go, resolve: letGo } = Promise.withResolvers<void>();
  const { promise: reads, resolve: tell } = Promise.withResolvers<void>();
  const reader = sql.begin(async (tx) => {
    await tx`select count(*) from audit_log`;
    tell();
    await go;
  });
  await reads;
  const migration = spawnApp(new URL('../src/main.ts', import.meta.url), { DATABASE_URL: url });
  await eventually(async () => expect(await sql`select from pg_locks where not granted`).not.toHaveLength(0));
  await insert();
  expect(await sql`select from pg_attribute where attname = 'traceparent'`).toHaveLength(0);
  letGo();
  await reader;
  expect(await migration.ended).toBe(0);
  expect(await sql`select traceparent from audit_log`).toEqual([{ traceparent: null }]);
});

const insert = () => sql`insert into audit_log (changed_by, action, table_name, object_id) values ('a', 'b', 'c', 'd')`;

/** As a database stands that has seen the migrations before the named one. */
async function migrateUpTo(name: string): Promise<void> {
  const read = (path: string) => readFile(new URL(`../../../drizzle/${path}`, import.meta.url), 'utf8');
  const { entries } = JSON.parse(await read('meta/_journal.json')) as { entries: { tag: string; when: number }[] };
  const before = entries.slice(
    0,
    entries.findIndex(({ tag }) => tag.endsWith(`_${name}`)),
  );
  for (const { tag } of before)
    for (const statement of (await read(`${tag}.sql`)).split('--> statement-breakpoint'))
      await sql.unsafe(statement).simple();
  await sql`create schema drizzle`;
  await sql`create table drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint)`;
  await sql`insert into drizzle.__drizzle_migrations (hash, created_at) values ('before', ${before.at(-1)?.when ?? 0})`;
}
