import type { LeasedDelivery } from '@auditbox/core/export/delivery.ts';
import { failDelivery } from '@auditbox/db/export/fail-delivery.ts';
import { markDone } from '@auditbox/db/export/mark-done.ts';
import { recordRender } from '@auditbox/db/export/record-render.ts';
import { rejectRows } from '@auditbox/db/export/reject-rows.ts';
import { beginVerify, recordVerify } from '@auditbox/db/observe/last-verify.ts';
import { startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { type OutboxFixture, openOutbox } from '@auditbox/testing/fixtures/outbox-fixture.ts';
import { endApps } from '@auditbox/testing/servers/spawn-app.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

let outbox: OutboxFixture;
let api: Awaited<ReturnType<typeof startApi>>;
beforeAll(async () => {
  outbox = await openOutbox();
  api = await startApi(urlAs('api', outbox.url));
});
afterAll(async () => {
  await endApps();
  await outbox.close();
});

// biome-ignore lint/suspicious/noExplicitAny: tests read responses of every shape
async function read(month: string): Promise<any> {
  const { status, body } = await api.request(`/archive?month=${month}`);
  expect(status).toBe(200);
  return body;
}

async function finish(delivery: LeasedDelivery): Promise<void> {
  const rendered = {
    key: 'k',
    sha256: 'a'.repeat(64),
    ndjsonBytes: 10,
    objectBytes: 5,
    linesRoot: null,
    objectSha256: null,
  };
  await recordRender(outbox.db, [{ delivery, rendered }], 60_000);
  await markDone(outbox.db, [delivery]);
}

test('each event of a month is counted once, in its hour: stored, waiting, or stuck', async () => {
  const { db } = outbox;
  const ids: Record<number, readonly string[]> = {};
  for (const [hour, rows] of [
    [1, 12],
    [2, 3],
    [3, 4],
    [4, 5],
  ] as const) {
    ids[hour] = await outbox.insert(rows, `2026-07-03T0${hour}:30:00Z`);
    await outbox.sealAll();
  }
  for (const at of ['2026-06-30T23:59:59Z', '2026-08-01T00:00:00Z']) {
    await db.sql`select auditbox.make_month(${at}::timestamptz)`;
    await outbox.insert(2, at);
  }
  await outbox.sealAll();
  const deliveries: LeasedDelivery[] = [];
  for (let n = 0; n < 7; n += 1) deliveries.push(await outbox.lease());
  const at = (partition: string) => deliveries.filter((delivery) => delivery.partition === partition);
  // Two batches of at most ten rows.
  for (const delivery of at('2026-07-03T01')) await finish(delivery);
  for (const delivery of at('2026-07-03T02'))
    await failDelivery(db, delivery, { error: 'a riddle', keepRender: false });
  for (const delivery of at('2026-07-03T04')) {
    await rejectRows(db, delivery, [{ outboxId: ids[4]?.[0] ?? '', reason: 'too large' }]);
    await finish(await outbox.lease());
  }
  await outbox.insert(1, '2026-07-03T05:00:00Z');

  const nothing = { events: 0, objects: 0, bytes: 0, logged_objects: 0, verified_objects: 0 };
  const moved = { waiting_events: 0, oldest_waiting_age_seconds: 0, stuck_events: 0 };
  expect(await read('2026-07')).toMatchObject({
    destination: 's3',
    month: '2026-07',
    pending: { rows: 1, oldest_age_seconds: expect.any(Number) },
    log: null,
    last_verify: null,
    partitions: [
      { ...nothing, ...moved, partition: '2026-07-03T01', events: 12, objects: 2, bytes: 10 },
      { ...nothing, ...moved, partition: '2026-07-03T02', stuck_events: 3 },
      {
        ...nothing,
        ...moved,
        partition: '2026-07-03T03',
        waiting_events: 4,
        oldest_waiting_age_seconds: expect.any(Number),
      },
      { ...nothing, ...moved, partition: '2026-07-03T04', events: 4, objects: 1, bytes: 5, stuck_events: 1 },
    ],
  });
  expect((await read('2026-08')).partitions).toMatchObject([{ partition: '2026-08-01T00' }]);
});

test('an object is logged when a signed checkpoint covers it', async () => {
  const { db } = outbox;
  await db.sql`insert into auditbox.log_head (destination, origin) values ('s3', 'example.com/log')`;
  await db.sql`
    update auditbox.delivery d set log_index = numbered.n
    from (select batch_id, row_number() over (order by batch_id) - 1 as n from auditbox.delivery where state = 'done') numbered
    where d.batch_id = numbered.batch_id`;
  await db.sql`update auditbox.log_head set size = 3`;
  await db.sql`update auditbox.log_head set published_size = 2`;
  const { log, partitions } = await read('2026-07');
  expect(log).toEqual({ size: 3, published_size: 2 });
  expect(partitions.map((hour: { logged_objects: number }) => hour.logged_objects)).toEqual([2, 0, 0, 0]);
});

test('an object is verified when the newest whole comparison began after it was stored', async () => {
  const { db } = outbox;
  const verified = async () =>
    (await read('2026-07')).partitions.map((hour: { verified_objects: number }) => hour.verified_objects);
  // These objects are younger than any transaction may be, so that a comparison might not have seen them.
  await recordVerify(db, { destination: 's3', objects: 3, differences: 0, completeBefore: await beginVerify(db) });
  expect(await verified()).toEqual([0, 0, 0, 0]);
  const [{ now }] = await db.sql<[{ now: string }]>`select clock_timestamp()::text as now`;
  await recordVerify(db, { destination: 's3', objects: 3, differences: 2, completeBefore: now });
  expect(await verified()).toEqual([2, 0, 0, 1]);
  expect((await read('2026-07')).last_verify).toMatchObject({ objects: 3, differences: 2 });
});

test('an unknown month is a 400, and the month of now is the default', async () => {
  for (const month of ['2026-13', '2026', '0000-01', 'x'])
    expect((await api.request(`/archive?month=${month}`)).body).toMatchObject({ errors: [{ path: 'month' }] });
  expect((await api.request('/archive')).body.month).toBe(new Date().toISOString().slice(0, 7));
});

test('it is not for keys without the scope, and not for keys that are bound to a tenant', async () => {
  const make = async (body: object): Promise<string> => (await api.request('/keys', { body })).body.key;
  const writer = await make({ name: 'writer', scopes: ['write'] });
  const bound = await make({ name: 'bound', scopes: ['read'], tenant: 'acme' });
  const reader = await make({ name: 'reader', scopes: ['read'] });
  expect((await api.request('/archive', { key: writer })).status).toBe(403);
  expect((await api.request('/archive', { key: bound })).status).toBe(403);
  expect((await api.request('/archive', { key: reader })).status).toBe(200);
});
