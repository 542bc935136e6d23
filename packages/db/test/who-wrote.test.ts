import { randomUUID } from 'node:crypto';
import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

/* Who wrote an event is the database's to say. */

let db: TestDatabase;
let writer: Database;
let api: Database;
beforeAll(async () => {
  db = await openTestDatabase();
  const openAs = (role: 'writer' | 'api') =>
    connectDatabase({ url: urlAs(role, db.url), application: 'test', maxConnections: 2, statementTimeoutMs: 20_000 });
  writer = openAs('writer');
  api = openAs('api');
});
afterAll(() => Promise.all([writer, api, db].map((each) => each.close(1_000))));

const row = async (id: string) =>
  (await db.sql`select recorded_by, tenant from auditbox.audit_log where id = ${id}::uuid`)[0];
const insert = (sql: Database['sql'], fields: Record<string, string>) => sql`
  insert into auditbox.audit_log ${sql({ changed_by: 'ana', action: 'updated', table_name: 't', object_id: '1', ...fields })}
  returning id::text`;

test('an event that a service inserts is recorded by its login, also through record()', async () => {
  const [inserted] = await insert(writer.sql, { tenant: 'acme' });
  expect(await row(inserted?.id)).toEqual({ recorded_by: 'sql:test_writer', tenant: 'acme' });
  const [recorded] = await writer.sql`select auditbox.record('ana', 'updated', 't', '1') as id`;
  expect(await row(recorded?.id)).toEqual({ recorded_by: 'sql:test_writer', tenant: '' });
});

test.each(['recorded_by', 'redacted', 'content_hash'])('a service may not give %s', async (column) => {
  await expect(insert(writer.sql, { [column]: '[]' })).rejects.toMatchObject({ code: '42501' });
});

test('nobody records in the name of another login, the api and the owner included', async () => {
  for (const sql of [api.sql, db.sql])
    await expect(insert(sql, { recorded_by: 'sql:somebody' })).rejects.toMatchObject({
      constraint_name: 'audit_log_recorded_by_is_ours',
    });
});

test('the id of another writer is refused by record() whatever that event holds', async () => {
  const event = anEvent({ updated_at: '2026-07-03T01:00:00Z', before_value: null, updated_values: null });
  await db.store([event]);
  const again = (objectId: string) => writer.sql`
    select auditbox.record(${event.changed_by}, ${event.action}, ${event.table_name}, ${objectId},
      updated_at => ${event.updated_at ?? ''}::timestamptz, id => ${event.id}::uuid)`;
  const words = async (objectId: string) =>
    (await again(objectId).catch((error: unknown) => error)) as { message: string };
  const [same, other] = [await words(event.object_id), await words('other')];
  expect(same.message).toBe(`the id ${event.id} belongs to an event of another writer`);
  expect(other.message).toBe(same.message);
});

test.each([
  ['changed_by', ''],
  ['changed_by', 'ana\u202e'],
  ['table_name', 'teams\u200b'],
  ['action', 'up\ndated'],
  ['changed_by_api_key', '\u0007'],
  ['tenant', 'acme\u2066'],
])('a service may not write %s %j', async (column, value) => {
  await expect(insert(writer.sql, { [column]: value })).rejects.toMatchObject({
    constraint_name: 'audit_log_names_are_plain',
    column_name: column,
  });
});

test('an object may have any name, because an odd name must not keep a change out of the log', async () => {
  const objectId = `team\u200b\u202e\n${randomUUID()}`;
  const [inserted] = await insert(writer.sql, { object_id: objectId });
  expect(await row(inserted?.id)).toMatchObject({ recorded_by: 'sql:test_writer' });
});

test('the key of content hashes is for the api alone', async () => {
  const [given] = await api.sql`select auditbox.content_key() as key`;
  expect(given?.key).toMatch(/^[0-9a-f]{64}$/);
  await expect(writer.sql`select auditbox.content_key()`).rejects.toMatchObject({ code: '42501' });
  for (const sql of [api.sql, writer.sql])
    await expect(sql`select from auditbox.secret`).rejects.toMatchObject({ code: '42501' });
});
