import { openTestDatabase, type TestDatabase } from '@auditbox/testing/test-database.ts';
import { anEvent } from '@auditbox/testing/test-events.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase();
  await db.store([anEvent()]);
});
afterAll(() => db.close(1_000));

test.each([
  "update audit_log set changed_by = 'mallory'",
  'update audit_log set changed_by = changed_by where false',
  'delete from audit_log',
  'truncate audit_log',
  'truncate audit_log cascade',
])('%s is refused, to a superuser too', async (statement) => {
  await expect(db.sql.unsafe(statement)).rejects.toThrow('audit_log is append-only');
});

test('the retention role may remove rows, but not change them', async () => {
  await db.sql
    .unsafe(`
    create role auditbox_retention;
    grant select, update, delete on audit_log to auditbox_retention`)
    .simple();
  await db.store([anEvent({ object_id: 'old' })]);
  const asRetention = (statement: string) =>
    db.sql.begin(async (tx) => {
      await tx`set local role auditbox_retention`;
      return tx.unsafe(statement);
    });
  await expect(asRetention("update audit_log set changed_by = 'mallory'")).rejects.toThrow('append-only');
  expect((await asRetention("delete from audit_log where object_id = 'old'")).count).toBe(1);
  await db.sql.unsafe('drop owned by auditbox_retention; drop role auditbox_retention').simple();
});

test.each([
  ["occurred_at = 'infinity'", "'infinity'", 'x'],
  ['an event in the year 1969', "'1969-12-31'", 'x'],
  ['an event ten minutes ahead', "clock_timestamp() + interval '10 minutes'", 'x'],
  ['an actor that no index could hold', 'now()', 'x'.repeat(3_000)],
])('%s is refused by the table itself', async (_what, occurredAt, changedBy) => {
  const insert = db.sql`
    insert into audit_log (occurred_at, changed_by, action, table_name, object_id)
    values (${db.sql.unsafe(occurredAt)}, ${changedBy}, 'created', 't', '1')`;
  await expect(insert).rejects.toMatchObject({ code: '23514' });
});
