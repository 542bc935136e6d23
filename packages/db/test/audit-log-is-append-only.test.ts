import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase();
  await db.store([anEvent()]);
});
afterAll(() => db.close(1_000));

test.each([
  "update auditbox.audit_log set changed_by = 'mallory'",
  'update auditbox.audit_log set changed_by = changed_by where false',
  'delete from auditbox.audit_log',
  'truncate auditbox.audit_log',
  'truncate auditbox.audit_log cascade',
])('%s is refused, to a superuser too', async (statement) => {
  await expect(db.sql.unsafe(statement)).rejects.toThrow('audit_log is append-only');
});

test.each([
  'update auditbox.audit_log set action = action',
  'delete from auditbox.audit_log',
  'truncate auditbox.audit_log',
])('%s is refused in the session role replica, and to the role of retention', async (statement) => {
  const replica = db.sql.begin(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx.unsafe(statement);
  });
  await expect(replica).rejects.toThrow('audit_log is append-only');
  const retention = db.sql.begin(async (tx) => {
    await tx`set local role auditbox_retention`;
    await tx.unsafe(statement);
  });
  await expect(retention).rejects.toMatchObject({ code: '42501' });
});

test.each([
  ["occurred_at = 'infinity'", "'infinity'", 'x'],
  ['an event in the year 1969', "'1969-12-31'", 'x'],
  ['an event ten minutes ahead', "clock_timestamp() + interval '10 minutes'", 'x'],
  ['an actor that no index could hold', 'now()', 'x'.repeat(3_000)],
])('%s is refused by the table itself', async (_what, occurredAt, changedBy) => {
  const insert = db.sql`
    insert into auditbox.audit_log (occurred_at, changed_by, action, table_name, object_id)
    values (${db.sql.unsafe(occurredAt)}, ${changedBy}, 'created', 't', '1')`;
  await expect(insert).rejects.toMatchObject({ code: '23514' });
});

test('when the database took an event is not for the writer to say', async () => {
  const insert = db.sql`
    insert into auditbox.audit_log (recorded_at, changed_by, action, table_name, object_id)
    values (now() + interval '10 years', 'x', 'created', 't', '1')`;
  await expect(insert).rejects.toMatchObject({ code: '23514', constraint_name: 'audit_log_recorded_at_is_now' });
});
