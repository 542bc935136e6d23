import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { startTcpProxy } from '@auditbox/testing/proxies/tcp-proxy.ts';
import { spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { createTestDatabase } from '@auditbox/testing/servers/template-database.ts';
import postgres from 'postgres';
import { expect, inject, test } from 'vitest';

const migrate = (url: string, args: readonly string[] = []) =>
  spawnApp(new URL('../src/main.ts', import.meta.url), { DATABASE_URL: url }, args);

test('six processes that migrate an empty database at once all succeed, and it is migrated once', async () => {
  const url = await createTestDatabase(inject('databaseServer'), { empty: true });
  const ended = await Promise.all(Array.from({ length: 6 }, () => migrate(url).ended));
  expect(ended).toEqual([0, 0, 0, 0, 0, 0]);
  const sql = postgres(url, { max: 1 });
  const [{ applied, distinct }] = await sql<[{ applied: number; distinct: number }]>`
    select count(*)::int as applied, count(distinct hash)::int as distinct from drizzle.__drizzle_migrations`;
  await sql.end();
  expect(applied).toBeGreaterThan(0);
  expect(distinct).toBe(applied);
});

test('it waits for a database that does not answer yet', async () => {
  const url = new URL(await createTestDatabase(inject('databaseServer'), { empty: true }));
  const proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
  await proxy.down();
  url.host = `127.0.0.1:${proxy.port}`;
  const app = migrate(url.href);
  await eventually(() => expect(app.output()).toContain('Waiting up to 60 s.'));
  await proxy.up();
  expect(await app.ended).toBe(0);
  await proxy.down();
});

test.each([
  ['', 'DATABASE_URL is not set'],
  ['postgres://nobody:wrong@127.0.0.1:{port}/postgres', "The database's set-up is wrong (login refused): "],
])('with DATABASE_URL "%s" it stops at once and reports why', async (url, sentence) => {
  const { port } = new URL(inject('databaseServer'));
  const app = migrate(url.replace('{port}', port));
  expect(await app.ended).toBe(1);
  expect(app.output()).toContain(sentence);
});

test('--search-index makes and removes the index of words, and rejects any other value', async () => {
  const url = await createTestDatabase(inject('databaseServer'));
  const sql = postgres(url, { max: 1 });
  const isThere = async () => (await sql`select to_regclass('audit_log_words') is not null as there`)[0]?.there;
  expect(await migrate(url, ['--search-index', 'on']).ended).toBe(0);
  expect(await isThere()).toBe(true);
  expect(await migrate(url).ended).toBe(0);
  expect(await isThere()).toBe(true);
  expect(await migrate(url, ['--search-index', 'off']).ended).toBe(0);
  expect(await isThere()).toBe(false);
  expect(await migrate(url, ['--search-index', 'perhaps']).ended).toBe(1);
  await sql.end();
});
