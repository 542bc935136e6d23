import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { expectExactlyOnce } from '@auditbox/testing/expectations/expect-exactly-once.ts';
import { readMetrics } from '@auditbox/testing/expectations/read-metrics.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

let rig: ExporterFixture;
beforeEach(async () => {
  rig = await createExporterFixture();
});
afterEach(() => rig.close());

const ids = (events: readonly { id: string }[]) => events.map(({ id }) => id);

test('rows that a wrong frontier passed are exported, counted and alarmed', async () => {
  const passed = someEvents(5);
  await rig.db.store(passed);
  await rig.db.sql`update auditbox.frontier set sealed_up_to = (select max(id) from auditbox.outbox)`;
  const app = rig.start();
  expect(await app.event('rows-reconciled')).toMatchObject({ lost: 5, restored: 0, conflicting: 0 });
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 5 }));
  await expectExactlyOnce(rig.bucket, ids(passed));
  const { port } = await app.event('exporter-running');
  const metrics = await readMetrics(`http://127.0.0.1:${port}`);
  expect(metrics.value('auditbox_reconciled_rows_total{kind="lost"}')).toBe(5);
});

test('events that were written while the trigger was off are exported, counted and alarmed', async () => {
  await rig.db.sql.unsafe('alter table auditbox.audit_log disable trigger audit_log_to_outbox').simple();
  const silent = anEvent({ updated_at: '2026-07-03T11:00:00Z' });
  await rig.db.sql`
    insert into auditbox.audit_log (id, changed_by, action, table_name, object_id, occurred_at)
    values (${silent.id}, 'psql', 'created', 't', '1', '2026-07-03T11:00:00Z')`;
  await rig.db.sql.unsafe('alter table auditbox.audit_log enable always trigger audit_log_to_outbox').simple();
  const app = rig.start();
  expect(await app.event('rows-reconciled')).toMatchObject({ lost: 0, restored: 1, conflicting: 0 });
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 1 }));
  await expectExactlyOnce(rig.bucket, [silent.id]);
});

test('a frontier that was set back by hand is made anew with an alarm, and nothing is exported twice', async () => {
  const events = someEvents(5);
  await rig.db.store(events);
  await rig.drain();
  await rig.db.sql`update auditbox.frontier set sealed_up_to = 0, gaps = '{}', closing = '{}', closing_xid = null`;
  const more = someEvents(2);
  await rig.db.store(more);
  const app = rig.start();
  await app.event('frontier-repaired');
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 7 }));
  await expectExactlyOnce(rig.bucket, ids([...events, ...more]));
});
