import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { expectExactlyOnce } from '@auditbox/testing/expectations/expect-exactly-once.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { removeExpiredMonths } from '../src/housekeeping/expire-months.ts';

let rig: ExporterFixture;
beforeEach(async () => {
  rig = await createExporterFixture();
});
afterEach(() => rig.close());

const monthsThere = async () =>
  (
    await rig.db.sql<{ name: string }[]>`
      select relid::regclass::text as name from pg_partition_tree('audit_log') where isleaf order by 1`
  ).map(({ name }) => name);

test('a month past its retention is removed once it is exported, and its events are in the bucket', async () => {
  const old = anEvent({ updated_at: '2020-05-15T00:00:00Z' });
  const recent = anEvent();
  await rig.db.store([old, recent]);
  expect(await (await rig.drain()).ended).toBe(0);
  const exporter = rig.start([], { AUDIT_RETENTION_DAYS: '365' });
  await exporter.event('month-removed');
  expect(await monthsThere()).not.toContain('audit_log_2020_05');
  expect(await rig.db.sql`select id from auditbox.audit_log`).toEqual([{ id: recent.id }]);
  await expectExactlyOnce(rig.bucket, [old.id, recent.id]);
});

test('exporters can remove the same months at once', async () => {
  const years = Array.from({ length: 12 }, (_, n) => 2000 + n);
  await rig.db.store(years.map((year) => anEvent({ updated_at: `${year}-05-15T00:00:00Z` })));
  await rig.drain();
  const log = { monthRemoved() {}, monthKept() {} };
  await Promise.all([1, 2, 3].map(() => removeExpiredMonths(rig.db, 365, log)));
  expect((await monthsThere()).filter((name) => name < 'audit_log_2020')).toEqual([]);
});

test('a month past retention with an unexported event is kept, and logged', async () => {
  const old = anEvent({ updated_at: '2020-05-15T00:00:00Z' });
  await rig.db.store([old]);
  const exporter = rig.start([], {
    AUDIT_RETENTION_DAYS: '365',
    EXPORT_BATCH_MAX_BYTES: '1024',
    EXPORT_LINGER_MS: '600000',
  });
  await exporter.event('month-kept');
  expect(await rig.db.sql`select id from auditbox.audit_log`).toEqual([{ id: old.id }]);
});

test('an exporter makes months ahead, so that writers find them', async () => {
  const next = new Date(Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth() + 2, 1)).toISOString();
  const name = `audit_log_${next.slice(0, 7).replace('-', '_')}`;
  await rig.db.sql.unsafe(`drop table ${name}`).simple();
  rig.start();
  await eventually(async () => expect(await monthsThere()).toContain(name));
});
