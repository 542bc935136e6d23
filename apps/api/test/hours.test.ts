import { listPartitionStates } from '@auditbox/db/archive/partition-states.ts';
import { startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

/* `GET /exports/hours`: a batch job may read an hour that is complete, and sees when it is opened again. */

let rig: ExporterFixture;
let api: Awaited<ReturnType<typeof startApi>>;
beforeEach(async () => {
  rig = await createExporterFixture();
  api = await startApi(urlAs('api', rig.db.url));
});
afterEach(() => rig.close());

const hour = '2026-07-03T11';
const folder = 'dt=2026-07-03/hour=11/';
const store = (count: number, at = `${hour}:46:50Z`) => rig.db.store(someEvents(count, { updated_at: at }));

async function read(query = 'start_date=2026-07-03T11:00:00Z&end_date=2026-07-03T12:59:00Z') {
  const { status, body } = await api.request(`/exports/hours?${query}`);
  expect(status, JSON.stringify(body)).toBe(200);
  return body.hours;
}

const readHour = async () => (await read())[0];

async function drain(settings: Record<string, string> = {}): Promise<void> {
  expect(await (await rig.drain(settings)).ended).toBe(0);
}

/** What a job would find in the folder. */
async function inFolder() {
  const objects = (await rig.bucket.objects()).filter(({ key }) => key.includes(folder));
  return { objects: objects.length, rows: objects.reduce((sum, { events }) => sum + events.length, 0) };
}

test('an hour is open until its events are in the bucket, then complete with the objects and rows of its folder', async () => {
  await store(5);
  expect(await readHour()).toMatchObject({ partition: hour, state: 'open', open_because: 'events-wait', objects: 0 });
  await drain({ EXPORT_BATCH_MAX_ROWS: '2' });
  const [complete, empty] = await read();
  expect(complete).toMatchObject({ state: 'complete', open_because: null, waiting_batches: 0, ...(await inFolder()) });
  expect(complete).toMatchObject({ rows: 5, last_done_at: expect.stringMatching(/Z$/) });
  expect(empty).toMatchObject({ partition: '2026-07-03T12', state: 'complete', objects: 0, last_done_at: null });
});

test('a late event opens its hour again, and leaves others complete; then the hour has more objects', async () => {
  await store(3);
  await drain();
  expect(await readHour()).toMatchObject({ state: 'complete', objects: 1, rows: 3 });
  await store(1);
  const [late, other] = await read();
  expect(late).toMatchObject({ state: 'open', open_because: 'events-wait', objects: 1, rows: 3 });
  expect(other).toMatchObject({ state: 'complete' });
  await drain();
  expect(await readHour()).toMatchObject({ state: 'complete', ...(await inFolder()), objects: 2, rows: 4 });
});

test.each(['exporter after the lease', 'exporter before the upload', 'exporter after the upload'] as const)(
  'an exporter that is killed %s leaves the hour open, until another one has marked the batch',
  async (point) => {
    await store(4);
    await rig.drainUntil(point, { EXPORT_LEASE_MS: '1000', S3_REQUEST_TIMEOUT_MS: '500' });
    expect(await readHour()).toMatchObject({ state: 'open', open_because: 'batches-wait', objects: 0 });
    await drain();
    expect(await readHour()).toMatchObject({ state: 'complete', ...(await inFolder()), rows: 4 });
  },
);

test('an hour is open while a transaction that began before its end may still commit an event', async () => {
  await store(1);
  await drain();
  const query = { destination: 's3', grain: 'hour', from: `${hour}:00:00Z`, to: `${hour}:59:00Z` } as const;
  const oldestAt = async (time: string) => (await listPartitionStates(rig.db, query, async () => time))[0]?.openBecause;
  expect(await oldestAt('2026-07-03T11:59:59.999999Z')).toBe('transactions-run');
  expect(await oldestAt('2026-07-03T12:00:00.000000Z')).toBeNull();
});

test('the hour that runs is open; a day has the objects of its hours; hours of an exporter that files by days are open', async () => {
  // A few minutes ahead: the hour of now may end before the answer.
  const soon = new Date(Date.now() + 240_000).toISOString();
  const [running] = await read(`start_date=${soon}&end_date=${soon}`);
  expect(running).toMatchObject({ partition: soon.slice(0, 13), state: 'open', open_because: 'not-over' });
  await store(2);
  await drain();
  const day = 'interval=day&start_date=2026-07-03&end_date=2026-07-03';
  expect(await read(day)).toMatchObject([{ partition: '2026-07-03', state: 'complete', objects: 1, rows: 2 }]);
  await store(1);
  await drain({ EXPORT_PARTITION: 'day' });
  expect(await read(day)).toMatchObject([{ state: 'complete', objects: 2, rows: 3 }]);
  expect(await readHour()).toMatchObject({ state: 'open', open_because: 'filed-by-day' });
});

test.each([
  ['start_date=2026-07-03', 'end_date'],
  ['start_date=2026-07-03&end_date=2026-09-03', 'start_date'],
  ['start_date=2026-07-03&end_date=2026-07-01', 'start_date'],
  ['start_date=2026-07-03&end_date=2026-07-03&interval=month', 'interval'],
])('a range without bounds or of too many hours is a 400: %s', async (query, path) => {
  const { status, body } = await api.request(`/exports/hours?${query}`);
  expect(status).toBe(400);
  expect(body.errors).toMatchObject([{ path }]);
});
