import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { expectExactlyOnce } from '@auditbox/testing/expectations/expect-exactly-once.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, expect, test } from 'vitest';

let rig: ExporterFixture;
beforeEach(async () => {
  rig = await createExporterFixture();
});
afterEach(() => rig.close());

const monthsThere = async () =>
  (await rig.db.sql<{ name: string }[]>`select name from auditbox.list_months() order by name`).map(({ name }) => name);

const storedIds = async () =>
  (await rig.db.sql<{ id: string }[]>`select id from auditbox.audit_log order by id`).map(({ id }) => id);

/** Runs retention to its end. */
async function retain(settings: Record<string, string> = {}, ...args: string[]) {
  const app = rig.start(['--retention', '--json', ...args], { AUDIT_RETENTION_DAYS: '365', ...settings });
  const code = await app.ended;
  const line = app
    .output()
    .split('\n')
    .find((text) => text.startsWith('{"dryRun"'));
  return { code, months: JSON.parse(line ?? '{"months":null}').months, output: app.output() };
}

const old = anEvent({ updated_at: '2020-05-15T00:00:00Z' });

async function storeAndDrain(): Promise<string> {
  const recent = anEvent();
  await rig.db.store([old, recent]);
  expect(await (await rig.drain()).ended).toBe(0);
  return recent.id;
}

test('a month past its retention is removed once its objects were read back; its ids are free then', async () => {
  const recent = await storeAndDrain();
  expect(await retain()).toMatchObject({
    code: 0,
    months: [{ month: 'audit_log_2020_05', outcome: 'removed', objects: 1, rows: 1 }],
  });
  expect(await monthsThere()).not.toContain('audit_log_2020_05');
  expect(await storedIds()).toEqual([recent]);
  expect(await rig.db.sql`select audit_id as id from auditbox.outbox`).toEqual([{ id: recent }]);
  await expectExactlyOnce(rig.bucket, [old.id, recent]);
  expect(await retain()).toMatchObject({ code: 0, months: [] });
});

test('--dry-run reads the objects back, and does not close or remove a month', async () => {
  await storeAndDrain();
  expect(await retain({}, '--dry-run')).toMatchObject({ code: 0, months: [{ outcome: 'removed', objects: 1 }] });
  expect(await monthsThere()).toContain('audit_log_2020_05');
  await rig.db.store([anEvent({ updated_at: '2020-05-16T00:00:00Z' })]);
});

test('without AUDIT_RETENTION_DAYS nothing is removed', async () => {
  await storeAndDrain();
  expect(await retain({ AUDIT_RETENTION_DAYS: '0' })).toMatchObject({ code: 0, months: [] });
  expect(await monthsThere()).toContain('audit_log_2020_05');
});

test('a month with an event that is not exported is kept', async () => {
  await rig.db.store([old]);
  expect(await retain()).toMatchObject({
    code: 2,
    months: [{ outcome: 'kept', reason: '1 event is not archived at every destination.' }],
  });
  expect(await storedIds()).toEqual([old.id]);
});

test('a month whose object is missing from the bucket is kept', async () => {
  await storeAndDrain();
  await rig.bucket.client.send(new DeleteObjectCommand({ Bucket: rig.bucket.name, Key: await oldKey() }));
  const { code, months } = await retain();
  expect(code).toBe(2);
  expect(months).toMatchObject([{ outcome: 'kept', reason: expect.stringMatching(/^The object \S+ is missing\.$/) }]);
  expect(await monthsThere()).toContain('audit_log_2020_05');
});

test('a month whose object has other content is kept', async () => {
  await rig.db.store([anEvent({ updated_at: '2020-06-15T00:00:00Z' })]);
  await storeAndDrain();
  const [another] = (await rig.bucket.objects()).filter(({ key }) => key.includes('dt=2020-06'));
  const where = { Bucket: rig.bucket.name };
  const { Body } = await rig.bucket.client.send(new GetObjectCommand({ ...where, Key: another?.key ?? '' }));
  const bytes = await Body?.transformToByteArray();
  await rig.bucket.client.send(new PutObjectCommand({ ...where, Key: await oldKey(), Body: bytes ?? '' }));
  const { code, months } = await retain();
  expect(code).toBe(2);
  expect(months).toMatchObject([
    { month: 'audit_log_2020_05', outcome: 'kept', reason: expect.stringContaining('expected 1 row and') },
    { month: 'audit_log_2020_06', outcome: 'removed' },
  ]);
});

test('a delivery that names the object of another batch does not make its month removable', async () => {
  await storeAndDrain();
  await rig.db.sql.unsafe('alter table auditbox.delivery disable trigger delivery_changes').simple();
  await rig.db.sql`
    update auditbox.delivery d set object_key = other.object_key, sha256 = other.sha256
    from auditbox.delivery other
    where d.object_key like '%dt=2020-05%' and other.object_key not like '%dt=2020-05%'`;
  const { code, months } = await retain();
  expect(code).toBe(2);
  expect(months).toMatchObject([{ outcome: 'kept', reason: expect.stringContaining('is not of batch') }]);
});

test('a bucket that cannot be read ends retention with 1, and nothing is removed', async () => {
  await storeAndDrain();
  rig.proxy.intervene = {
    before: ({ method }) => (method === 'GET' ? { status: 403, code: 'AccessDenied' } : undefined),
  };
  expect((await retain()).code).toBe(1);
  expect(await monthsThere()).toContain('audit_log_2020_05');
});

test('several runs at once remove the same months', async () => {
  const years = Array.from({ length: 4 }, (_, n) => 2000 + n);
  await rig.db.store(years.map((year) => anEvent({ updated_at: `${year}-05-15T00:00:00Z` })));
  await rig.drain();
  const runs = await Promise.all([1, 2].map(() => retain()));
  expect(runs.map(({ code }) => code)).toEqual([0, 0]);
  expect((await monthsThere()).filter((name) => name < 'audit_log_2020')).toEqual([]);
});

test('a month in zstd is read back too', async () => {
  await rig.db.store([old]);
  await rig.drain({ EXPORT_COMPRESSION: 'zstd' });
  expect(await retain()).toMatchObject({ code: 0, months: [{ outcome: 'removed', objects: 1, rows: 1 }] });
});

test('RETENTION_SCHEDULE that is not a cron expression stops the process with a sentence', async () => {
  const { code, output } = await retain({ RETENTION_SCHEDULE: '99 * * * *' });
  expect(code).toBe(1);
  expect(output).toContain('RETENTION_SCHEDULE is 99 * * * *; that is not a cron expression.');
});

test('a running exporter removes no month', async () => {
  await storeAndDrain();
  // The login would have the right to do it.
  const app = rig.start([], { AUDIT_RETENTION_DAYS: '365', DATABASE_URL: rig.db.url });
  // It does its other work in the meantime.
  for (const done of [3, 4, 5]) {
    await rig.db.store([anEvent()]);
    await eventually(async () => expect(await rig.db.states()).toEqual({ done }));
  }
  app.signal('SIGTERM');
  await app.ended;
  expect(await monthsThere()).toContain('audit_log_2020_05');
});

test('an exporter makes months ahead, so that writers find them', async () => {
  const next = new Date(Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth() + 2, 1)).toISOString();
  const name = `audit_log_${next.slice(0, 7).replace('-', '_')}`;
  await rig.db.sql.unsafe(`drop table if exists auditbox.${name}`).simple();
  rig.start();
  await eventually(async () => expect(await monthsThere()).toContain(name));
});

async function oldKey(): Promise<string> {
  const [row] = await rig.db.sql<[{ key: string }]>`
    select object_key as key from auditbox.delivery where object_key like '%dt=2020-05%'`;
  return row.key;
}

test('a login without the rights of retention removes nothing, and learns which role it needs', async () => {
  await storeAndDrain();
  const { code, output } = await retain({ DATABASE_URL: urlAs('exporter', rig.db.url) });
  expect(code).toBe(1);
  expect(output).toContain('"event":"retention-forbidden"');
  expect(output).toMatch(/must be a member of auditbox_retention.*grant auditbox_retention to/);
  expect(await monthsThere()).toContain('audit_log_2020_05');
});
