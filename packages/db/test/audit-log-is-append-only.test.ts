import { sealBatches } from '@auditbox/db/export/seal-batches.ts';
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

test('the retention role may delete exported rows, and nothing else', async () => {
  await db.sql.unsafe('grant update, truncate on audit_log to auditbox_retention').simple();
  await db.store([anEvent({ object_id: 'old' }), anEvent({ object_id: 'sealed' })]);
  await sealBatches(db, { grain: 'hour', maxRows: 1, maxBytes: 1_000_000, lingerMs: 0, maxBatches: 1 });
  const asRetention = (statement: string) =>
    db.sql.begin(async (tx) => {
      await tx`set local role auditbox_retention`;
      return tx.unsafe(statement);
    });
  await expect(asRetention("update auditbox.audit_log set changed_by = 'mallory'")).rejects.toThrow('append-only');
  await expect(asRetention('truncate auditbox.audit_log')).rejects.toThrow('append-only');
  await expect(asRetention('delete from auditbox.audit_log')).rejects.toThrow('is not exported yet');
  await db.sql`update export_batch set state = 'done', object_key = 'k', bytes = 1, object_bytes = 1,
    sha256 = ${'a'.repeat(64)}, exported_at = now()`;
  const [{ id: exportedId }] = await db.sql<
    [{ id: string }]
  >`select audit_id as id from outbox_status where state = 'done'`;
  const deleted = await asRetention(
    `delete from auditbox.audit_log a using outbox_status s where s.audit_id = a.id and s.state = 'done'`,
  );
  expect(deleted.count).toBe(1);
  // Its id stays taken: stored again, it would be exported twice.
  const again = db.store([{ ...anEvent(), id: exportedId }]);
  await expect(again).rejects.toMatchObject({ code: 'AUDIT_CONFLICT', index: 0 });
  await expect(asRetention('delete from auditbox.audit_log')).rejects.toThrow('is not exported yet');
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
