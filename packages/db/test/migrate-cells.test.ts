import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { createKey, revokeKey } from '@auditbox/db/keys/change-keys.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { endApps, spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { createTestDatabase, dropTestDatabase } from '@auditbox/testing/servers/template-database.ts';
import { openTestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { afterEach, expect, inject, test } from 'vitest';

const server = inject('databaseServer');
const urls: string[] = [];
const open: Database[] = [];
afterEach(async () => {
  await endApps();
  for (const db of open.splice(0)) await db.close(1_000);
  for (const url of urls.splice(0)) await dropTestDatabase(server, url);
});

async function makeEmpty(): Promise<{ url: string; db: Database }> {
  const url = await createTestDatabase(server, { empty: true });
  urls.push(url);
  return { url, db: connect(url) };
}

function connect(url: string, schema?: string): Database {
  const db = connectDatabase({ url, schema, application: 'test', maxConnections: 1, statementTimeoutMs: 20_000 });
  open.push(db);
  return db;
}

async function migrate(cells: string, args: readonly string[] = []) {
  const app = spawnApp(new URL('../src/main.ts', import.meta.url), { DATABASE_CELLS: cells }, args);
  return { code: await app.ended, output: app.output() };
}

async function readCommon(db: Database) {
  const [secret] = await db.sql`select value from auditbox.secret where name = 'content-hash'`;
  const keys = await db.sql`
    select key_id, name, key_hash, scopes, revoked_at is not null as revoked from auditbox.api_key order by name`;
  return { secret, keys: [...keys] };
}

const key = { prefix: 'abx_test_0000', scopes: ['read'], tenant: null, bounds: {}, expiresAt: null } as const;

test('migrate makes all cells, here two schemas of one database, and copies the keys of the first one to cells that join', async () => {
  const ash = await makeEmpty();
  const birch = { db: connect(ash.url, 'cell_b') };
  expect(await migrate(`ash=${ash.url}`)).toMatchObject({ code: 0 });
  const kept = await createKey(ash.db, { ...key, name: 'kept', hash: 'a'.repeat(64) }, null);
  const gone = await createKey(ash.db, { ...key, name: 'gone', hash: 'b'.repeat(64) }, null);
  // Enough events for a copy of the cell to be noticed.
  await ash.db.sql`
    insert into auditbox.audit_log (changed_by, action, table_name, object_id)
    select 'ana', 'created', 'teams', n::text from generate_series(1, 9) n`;
  const cells = `ash=${ash.url} birch@cell_b=${ash.url}`;
  expect(await migrate(cells, ['--roles'])).toMatchObject({
    code: 0,
    output: expect.stringMatching(/^birch: \d+ migrations to apply in the schema cell_b:$/m),
  });
  expect(await readCommon(birch.db)).toEqual(await readCommon(ash.db));

  expect(await revokeKey(ash.db, gone ?? '', null)).toBe(true);
  expect(await migrate(cells)).toMatchObject({ code: 0, output: expect.stringContaining('1 were copied') });
  expect(await readCommon(birch.db)).toEqual(await readCommon(ash.db));
  expect(kept).not.toBeNull();
  const [row] = await ash.db.sql`
    select string_agg(obj_description(oid, 'pg_namespace'), ', ' order by nspname) as names,
      bool_and(has_schema_privilege('auditbox_api', oid, 'usage')) as "areUsable"
    from pg_namespace where nspname in ('auditbox', 'cell_b')`;
  expect(row).toEqual({ names: 'Auditbox: the cell ash, Auditbox: the cell birch', areUsable: true });
  expect(await migrate(`ash@cell_b=${ash.url} birch=${ash.url}`)).toMatchObject({
    code: 1,
    output: expect.stringContaining('The database of the cell ash is the cell birch already.'),
  });
});

test('migrate writes the name of each cell into its database, and refuses another name and a database that is given twice', async () => {
  const [ash, birch] = [await makeEmpty(), await makeEmpty()];
  expect(await migrate(`ash=${ash.url} birch=${birch.url}`)).toMatchObject({ code: 0 });
  const swapped = await migrate(`ash=${birch.url} birch=${ash.url}`);
  expect(swapped).toMatchObject({
    code: 1,
    output: expect.stringContaining('The database of the cell ash is the cell birch already.'),
  });
  const alias = new URL(birch.url);
  alias.hostname = alias.hostname === 'localhost' ? '127.0.0.1' : 'localhost';
  expect(await migrate(`birch=${birch.url} cedar=${alias.href}`)).toMatchObject({
    code: 1,
    output: expect.stringContaining('The database of the cell cedar is the cell birch already.'),
  });
  expect(await migrate(`ash=${ash.url} birch=${birch.url}`)).toMatchObject({ code: 0 });
});

test('a comment of the schema that somebody else wrote stays', async () => {
  const ash = await makeEmpty();
  expect(await migrate(`ash=${ash.url}`)).toMatchObject({ code: 0 });
  await ash.db.sql`comment on schema auditbox is 'ask ana'`;
  const again = await migrate(`ash=${ash.url}`);
  expect(again).toMatchObject({ code: 0, output: expect.stringContaining('ash: The schema has a comment already') });
  const [row] = await ash.db.sql`select obj_description('auditbox'::regnamespace, 'pg_namespace') as comment`;
  expect(row).toEqual({ comment: 'ask ana' });
});

test('a database in which an api stored events by itself joins only as a cell that is read', async () => {
  const used = await openTestDatabase(server);
  try {
    const ash = await makeEmpty();
    await used.store([anEvent()]);
    const refused = await migrate(`ash=${ash.url} birch=${used.url}`);
    expect(refused).toMatchObject({ code: 1, output: expect.stringContaining('The cell birch has events of an api') });
    expect(await migrate(`ash=${ash.url} birch:read=${used.url}`)).toMatchObject({ code: 0 });
  } finally {
    await used.close(1_000);
  }
});

test('a copy of a cell is no other cell, whatever its name; one or two ids that two cells have are no copy', async () => {
  const [ash, birch] = [await openTestDatabase(server), await openTestDatabase(server)];
  try {
    const events = someEvents(5);
    await ash.store(events.slice(0, 4));
    // Ids that were stored twice by swapped names, before cells had names. At first birch has no other event.
    for (const more of [events.slice(3, 4), [anEvent(), ...events.slice(2, 3)]]) {
      await birch.store(more);
      expect((await migrate(`ash=${ash.url} birch:read=${birch.url}`)).code).toBe(0);
    }
    await birch.store(events.slice(1, 2));
    for (const cells of [`ash=${ash.url} birch:read=${birch.url}`, `birch=${birch.url} ash:read=${ash.url}`])
      expect(await migrate(cells)).toMatchObject({
        code: 1,
        output: expect.stringMatching(/The cells \w+ and \w+ have the same events: one is a copy of the other/),
      });
  } finally {
    await ash.close(1_000);
    await birch.close(1_000);
  }
});
