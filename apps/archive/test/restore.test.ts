import { randomUUID } from 'node:crypto';
import { getRecordBegin } from '@auditbox/db/queries/record-begin.ts';
import { endApps } from '@auditbox/testing/servers/spawn-app.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type ArchiveFixture, createArchiveFixture } from './archive-fixture.ts';

/* `archive -- restore`: events come back as they were, and are not exported again. */

const odd = String.raw`{"b":1.0,"a":10000000000000000000000000001,  "s":"\u00e9","g":100.00}`;

let fixture: ArchiveFixture;
let copy: TestDatabase;
beforeAll(async () => {
  fixture = await createArchiveFixture();
  await fixture.insert([
    { id: randomUUID(), at: '2026-05-03T11:46:50.2Z', digits: 1, before: odd, updated: 'null', tenant: 'acme' },
    { id: randomUUID(), at: '2026-05-03T11:50:00Z', digits: 0, object: 'line\nbreak\u0001', updated: '12.50' },
    { id: randomUUID(), at: '2026-06-01T00:00:00Z', actor: 'bob', action: 'created' },
  ]);
  await fixture.drain();
  copy = await openTestDatabase();
});
afterEach(endApps);
afterAll(async () => {
  await copy.close(1_000);
  await fixture.close();
});

async function restore(into: string, ...more: string[]) {
  const { exitCode, output, said } = await fixture.archive(['restore', '--into', into, '--json', ...more]);
  return exitCode === 1 ? { exitCode, said } : JSON.parse(output);
}

const readAll = (db: TestDatabase) =>
  db.sql`select id, occurred_at::text, occurred_at_digits, recorded_at::text, changed_by, changed_by_api_key, action, table_name,
    object_id, before_value::text, updated_values::text, context::text, recorded_by, tenant, redacted::text
    from auditbox.audit_log order by occurred_at, id`;

async function objectKeys(): Promise<string[]> {
  return (await fixture.bucket.objects()).map(({ key }) => key);
}

test('a new database gets the events with their ids, times and digits; a second run inserts none', async () => {
  expect(await restore(copy.url)).toMatchObject({ exitCode: 0, objects: 2, inserted: 3, present: 0 });
  const original = await readAll(fixture.db);
  // JSON's null and a missing value are one thing on a line.
  expect(await readAll(copy)).toEqual(
    original.map((row) => ({ ...row, updated_values: row.updated_values === 'null' ? null : row.updated_values })),
  );
  expect(await restore(copy.url)).toMatchObject({ exitCode: 0, objects: 2, inserted: 0, present: 3 });
});

test('events of a month that retention has removed come back under their old outbox ids', async () => {
  const { sql } = fixture.db;
  const ids = () => sql`select o.id, o.audit_id from auditbox.outbox o order by o.id`;
  const [before, events] = [await ids(), await readAll(fixture.db)];
  // Each by another pool, because an answer is remembered for a minute.
  const recordBegin = () => getRecordBegin({ ...fixture.db });
  expect(await recordBegin()).toBeNull();
  await sql`drop table auditbox.audit_log_2026_05`;
  expect(await recordBegin()).toBe('2026-06-01T00:00:00Z');
  await sql`delete from auditbox.outbox where occurred_at < '2026-06-01'`;
  expect(await recordBegin()).toBe('2026-06-01T00:00:00Z');
  expect(await restore(fixture.db.url, '--to', '2026-05-31')).toMatchObject({ exitCode: 0, inserted: 2, present: 0 });
  expect((await ids()).map(({ id }) => id)).toEqual(before.map(({ id }) => id));
  expect((await readAll(fixture.db)).map(({ id }) => id)).toEqual(events.map(({ id }) => id));
  expect(await recordBegin()).toBeNull();
  const keys = await objectKeys();
  await fixture.drain();
  expect(await objectKeys()).toEqual(keys);
});

test('an exporter of the new database exports no restored event again, and exports new ones', async () => {
  const before = await objectKeys();
  expect(await copy.states()).toEqual({ done: 3 });
  const restored = { DATABASE_URL: urlAs('exporter', copy.url) };
  await fixture.drain(restored);
  expect(await objectKeys()).toEqual(before);
  await copy.sql`
    insert into auditbox.audit_log (changed_by, action, table_name, object_id, occurred_at)
    values ('new', 'updated', 't', '1', '2026-05-03T11:59:00Z')`;
  await fixture.drain(restored);
  expect(await objectKeys()).toHaveLength(before.length + 1);
  expect(await copy.states()).toEqual({ done: 4 });
});

test('the triggers are as before: a writer cannot set recorded_at', async () => {
  await expect(
    copy.sql`insert into auditbox.audit_log (changed_by, action, table_name, object_id, recorded_at)
      values ('a', 'updated', 't', '1', now() - interval '1 day')`,
  ).rejects.toMatchObject({ constraint_name: 'audit_log_recorded_at_is_now' });
});

test('an object with an event that the database has at another time is not restored, and is named', async () => {
  const [{ id }] = (await fixture.db.sql`select id from auditbox.audit_log where changed_by = 'bob'`) as unknown as [
    { id: string },
  ];
  const other = await openTestDatabase();
  try {
    await other.sql`select auditbox.make_month('2026-06-02T00:00:00Z'::timestamptz)`;
    await other.sql`
      insert into auditbox.audit_log (id, changed_by, action, table_name, object_id, occurred_at)
      values (${id}, 'bob', 'created', 'teams', '42', '2026-06-02T00:00:00Z')`;
    const result = await restore(other.url, '--from', '2026-06-01', '--to', '2026-06-01');
    expect(result).toMatchObject({ exitCode: 3, inserted: 0, conflicts: [expect.stringContaining('dt=2026-06-01')] });
    expect(await readAll(other)).toHaveLength(1);
  } finally {
    await other.close(1_000);
  }
});

test('a login that is no member of the owner is refused', async () => {
  expect(await restore(urlAs('exporter', copy.url))).toMatchObject({
    exitCode: 1,
    said: expect.stringContaining('may not restore'),
  });
});
