import { findTampering } from '@auditbox/db/doctor/find-tampering.ts';
import { startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { endApps, spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { openTestDatabase, openTestSchema, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { listCells, urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

/*
 * Events that Auditbox writes about itself have the table names of the documents, whatever names the schemas have, with one
 * database and with cells. An event about a key, or about a request of a key, has the tenant of the key.
 */

let plain: TestDatabase;
/** Each is a schema, and two of them are in one database. The first one is that of DATABASE_SCHEMA. */
let cells: readonly [TestDatabase, TestDatabase, TestDatabase];
let databases: readonly TestDatabase[];

beforeAll(async () => {
  plain = await openTestDatabase();
  const [first, second] = await Promise.all([openTestDatabase(), openTestDatabase()]);
  databases = [plain, first, second];
  cells = [
    await openTestSchema(first.url, 'cell_x'),
    await openTestSchema(second.url, 'cell_y'),
    await openTestSchema(second.url, 'cell_z'),
  ];
});
afterAll(async () => {
  await endApps();
  for (const db of [...cells, ...databases]) await db.close(1_000);
});

const inPlain = () => startApi(urlAs('api', plain.url), { AUDIT_READS: 'true' });
const cellSettings = () => ({
  DATABASE_CELLS: `ash=${urlAs('api', cells[0].url)} ${listCells('api', { birch: cells[1], cedar: cells[2] })}`,
  DATABASE_SCHEMA: cells[0].schema,
});
const inCells = () => startApi('', { ...cellSettings(), AUDIT_READS: 'true' });

/** Does everything that Auditbox writes an event of. Resolves to the id of a key. */
async function actEverywhere(start: typeof inPlain, places: readonly TestDatabase[]): Promise<string> {
  for (const { sql } of places) {
    await sql`insert into auditbox.destination (name) values ('s3') on conflict do nothing`;
    await sql`create schema if not exists shop`;
    await sql`create table if not exists shop.orders (id int primary key)`;
    for (const change of ['capture', 'recapture', 'uncapture'])
      await sql.unsafe(`select auditbox.${change}('shop.orders')`);
  }
  const api = await start();
  const { body: made } = await api.request('/keys', { body: { name: 'writer', scopes: ['write'], tenant: 'acme' } });
  expect((await api.request(`/keys/${made.id}/rotate`, { body: { overlap_seconds: 60 } })).status).toBe(201);
  // The key may not read, and this request is one of an event about it.
  expect((await api.request('/audit', { key: made.key })).status).toBe(403);
  expect((await api.request(`/keys/${made.id}`, { method: 'DELETE' })).status).toBe(204);
  for (const verb of ['pause', 'resume'])
    expect((await api.request(`/destinations/s3/${verb}`, { method: 'POST' })).status).toBe(200);
  expect((await api.request('/audit')).status).toBe(200);
  // What was denied is stored when the api stops.
  api.app.signal('SIGTERM');
  expect(await api.app.ended).toBe(0);
  return made.id;
}

interface OwnEvents {
  /** `created auditbox.api_key of acme`, each kind once. */
  readonly kinds: readonly string[];
  /** How many events the filter of the documents finds for each table. */
  readonly found: Readonly<Record<string, number>>;
  /** The actions of the key's history. */
  readonly history: readonly string[];
}

const tables = ['auditbox.api_key', 'auditbox.captured_table', 'auditbox.destination', 'auditbox.request'];

async function readOwnEvents(start: typeof inPlain, keyId: string): Promise<OwnEvents> {
  const api = await start();
  const list = async (query: string) => (await api.request(`/audit?page_size=100&${query}`)).body.audit_logs;
  const all: { action: string; table_name: string; tenant?: string }[] = await list('');
  const kindOf = ({ action, table_name, tenant }: (typeof all)[number]) =>
    `${action} ${table_name}${tenant === undefined ? '' : ` of ${tenant}`}`;
  const found = await Promise.all(
    tables.map(async (table) => [
      table,
      (await list(`table_name=${table}&action=created,rotated,deleted,updated,denied`)).length,
    ]),
  );
  const history = (await api.request(`/audit/objects/auditbox.api_key/${keyId}`)).body.audit_logs;
  return {
    kinds: [...new Set(all.map(kindOf))].sort(),
    found: Object.fromEntries(found),
    history: [...new Set<string>(history.map(({ action }: { action: string }) => action))],
  };
}

test('cells in other schemas name our tables as one database in the default schema does, and the filters of the documents find them', async () => {
  const one = await readOwnEvents(inPlain, await actEverywhere(inPlain, [plain]));
  const several = await readOwnEvents(inCells, await actEverywhere(inCells, cells));
  expect(one).toEqual({
    kinds: [
      'created auditbox.api_key of acme',
      'created auditbox.captured_table',
      'deleted auditbox.api_key of acme',
      'deleted auditbox.captured_table',
      'denied auditbox.request of acme',
      'read auditbox.request',
      'rotated auditbox.api_key of acme',
      'updated auditbox.captured_table',
      'updated auditbox.destination',
    ],
    found: { 'auditbox.api_key': 3, 'auditbox.captured_table': 3, 'auditbox.destination': 2, 'auditbox.request': 1 },
    history: ['created', 'rotated', 'deleted'],
  });
  // A change of a key, of a capture and of a destination is made in each cell. The api notes a denied request once.
  expect(several).toEqual({
    ...one,
    found: { 'auditbox.api_key': 9, 'auditbox.captured_table': 9, 'auditbox.destination': 6, 'auditbox.request': 1 },
  });
});

test('`npm run keys` works on the keys of every schema', async () => {
  const keys = async (...args: string[]) => {
    const app = spawnApp('api/src/keys/main.ts', cellSettings(), [...args, '--json']);
    return { code: await app.ended, output: app.output() };
  };
  const made = await keys('create', '--name', 'siem', '--scope', 'read');
  expect(made.code, made.output).toBe(0);
  for (const db of cells)
    expect(await db.sql`select key_id as id from auditbox.api_key where name = 'siem'`).toEqual([
      { id: JSON.parse(made.output).id },
    ]);
});

test('the doctor finds nothing changed in a schema with another name', async () => {
  for (const db of cells)
    expect((await findTampering(db, db.schema)).filter(({ says }) => /own_table|record_|capture/.test(says))).toEqual(
      [],
    );
});
