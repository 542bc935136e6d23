import { cellOf } from '@auditbox/db/cells/cell-of.ts';
import { markCell } from '@auditbox/db/migrate/mark-cell.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { endApps } from '@auditbox/testing/servers/spawn-app.ts';
import { createTestDatabase, dropTestDatabase } from '@auditbox/testing/servers/template-database.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';

/* DATABASE_CELLS with wrong names or databases: an id would be looked up where it was not stored. */

const names = ['ash', 'birch', 'cedar'] as const;
type Name = (typeof names)[number];
let databases: Record<Name, TestDatabase>;
beforeEach(async () => {
  const opened = await Promise.all(names.map(() => openTestDatabase()));
  databases = Object.fromEntries(names.map((name, index) => [name, opened[index]])) as typeof databases;
});
afterEach(async () => {
  await endApps();
  for (const db of Object.values(databases)) await db.close(1_000);
});

const urlOf = (name: Name) => urlAs('api', databases[name].url);
const markAll = async () => {
  for (const name of names) expect(await markCell({ name, url: databases[name].url })).toBe(true);
};
const start = (list: Record<string, string>) =>
  startApi('', {
    DATABASE_CELLS: Object.entries(list)
      .map(([name, url]) => `${name}=${url}`)
      .join(' '),
  });

/** Another URL of the same database. */
function aliasOf(url: string): string {
  const alias = new URL(url);
  alias.hostname = alias.hostname === 'localhost' ? '127.0.0.1' : 'localhost';
  return alias.href;
}

function eventOf(name: string, list: readonly string[] = names) {
  for (;;) {
    const event = anEvent();
    if (cellOf(event.id, list) === name) return event;
  }
}

async function storedIds(): Promise<string[]> {
  const rows = await Promise.all(
    Object.values(databases).map(
      (db) => db.sql<{ id: string }[]>`select id::text from auditbox.audit_log where table_name = 'teams'`,
    ),
  );
  return rows.flatMap((part) => part.map(({ id }) => id)).sort();
}

test('an api whose list has swapped names is not ready, and stores no id twice', async () => {
  await markAll();
  const right = await start({ ash: urlOf('ash'), birch: urlOf('birch'), cedar: urlOf('cedar') });
  const events = [eventOf('ash'), eventOf('birch'), eventOf('cedar')];
  for (const body of events) expect((await right.request('/audit', { body })).status).toBe(201);
  const stored = await storedIds();

  const swapped = await start({ ash: urlOf('birch'), birch: urlOf('ash'), cedar: urlOf('cedar') });
  const ready = await swapped.request('/readyz', { key: null });
  expect([ready.status, ready.body.detail]).toEqual([503, expect.stringContaining('ANOTHER_CELL')]);
  expect(await swapped.app.event('database-not-ready')).toMatchObject({
    msg: expect.stringContaining('call this database the cell ash, and it is the cell birch'),
  });
  const statuses = [];
  for (const body of events) statuses.push((await swapped.request('/audit', { body })).status);
  expect(statuses).toEqual([503, 503, 200]);
  for (const path of ['/audit', '/audit?recorded_after=2026-01-01', '/audit/stats', '/audit/export']) {
    const { status, body } = await swapped.request(path);
    expect([path, status, body.code]).toEqual([path, 503, 'database-misconfigured']);
  }
  expect(await storedIds()).toEqual(stored);
});

test('a database that is given twice, by two addresses, shows no event twice', async () => {
  await markAll();
  const right = await start({ ash: urlOf('ash'), birch: urlOf('birch') });
  expect((await right.request('/audit', { body: eventOf('ash', ['ash', 'birch']) })).status).toBe(201);
  const twice = await start({ ash: urlOf('ash'), birch: aliasOf(urlOf('ash')) });
  expect((await twice.request('/readyz', { key: null })).status).toBe(503);
  const list = await twice.request('/audit?table_name=teams');
  expect([list.status, list.body.detail]).toEqual([503, expect.stringContaining('The cell birch')]);
});

test('a cell with another name than before is refused, and databases without a name are not', async () => {
  const plain = await start({ ash: urlOf('ash'), birch: urlOf('birch') });
  expect((await plain.request('/audit')).status).toBe(200);
  expect((await plain.request('/readyz', { key: null })).text).toMatch(
    /^ready\nThe cell ash: Its database does not have its name.* The cell birch: .*run `npm run migrate`/,
  );
  await markAll();
  await eventually(async () => expect((await plain.request('/readyz', { key: null })).text).toBe('ready\n'));
  // Also by an api that runs.
  const renamed = await start({ ash: urlOf('ash'), beech: urlOf('birch') });
  await eventually(async () => expect((await renamed.request('/audit')).status).toBe(503));
  expect((await plain.request('/audit')).status).toBe(200);
  // Alone it has no name, as before it was a cell.
  const alone = await startApi(urlOf('birch'));
  expect((await alone.request('/audit')).status).toBe(200);
});

test('a cell without tables, and one with an older schema, are named; the others take events, and no list leaves theirs out', async () => {
  const server = inject('databaseServer');
  const empty = await createTestDatabase(server, { empty: true });
  try {
    await databases.birch.sql`delete from auditbox.migration where tag = (select max(tag) from auditbox.migration)`;
    const api = await start({ ash: empty, birch: databases.birch.url, cedar: urlOf('cedar') });
    const ready = await api.request('/readyz', { key: null });
    expect([ready.status, ready.text]).toEqual([200, expect.stringContaining('The cell ash is not ready')]);
    expect(ready.text).toContain('The cell birch is not ready');
    expect(ready.text).toContain('npm run migrate');
    expect((await api.request('/audit', { body: eventOf('cedar') })).status).toBe(201);
    expect((await api.request('/audit', { body: eventOf('ash') })).status).toBe(503);
    const list = await api.request('/audit');
    expect([list.status, list.body.code]).toEqual([503, 'database-misconfigured']);
    expect(list.body.detail).toContain('The cell ash');
  } finally {
    await endApps();
    await dropTestDatabase(server, empty);
  }
});
