import type { LeasedDelivery } from '@auditbox/core/export/delivery.ts';
import { addDestination, pauseDestination } from '@auditbox/db/export/destinations.ts';
import { failDelivery } from '@auditbox/db/export/fail-delivery.ts';
import { markDone } from '@auditbox/db/export/mark-done.ts';
import { recordRender } from '@auditbox/db/export/record-render.ts';
import { rejectRows } from '@auditbox/db/export/reject-rows.ts';
import { releaseDelivery } from '@auditbox/db/export/release-delivery.ts';
import { recordVerify } from '@auditbox/db/observe/last-verify.ts';
import { startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { type OutboxFixture, openOutbox } from '@auditbox/testing/fixtures/outbox-fixture.ts';
import { endApps } from '@auditbox/testing/servers/spawn-app.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';

let outbox: OutboxFixture;
let api: Awaited<ReturnType<typeof startApi>>;
beforeAll(async () => {
  outbox = await openOutbox();
  api = await startApi(urlAs('api', outbox.url));
});
beforeEach(async () => {
  await outbox.db.sql`delete from auditbox.destination where name <> 's3'`;
});
afterAll(async () => {
  await endApps();
  await outbox.close();
});

// biome-ignore lint/suspicious/noExplicitAny: tests read responses of every shape
async function read(): Promise<any> {
  const { status, body } = await api.request('/exports');
  expect(status).toBe(200);
  return body;
}

async function makeKey(body: object): Promise<string> {
  return (await api.request('/keys', { body })).body.key;
}

test('each event is counted where it is: in no batch, waiting, retried, failed, rejected, done', async () => {
  const { db } = outbox;
  await outbox.sealAll();
  const before = await read();
  await outbox.insert(2);
  expect((await read()).pending.rows).toBe(before.pending.rows + 2);
  await outbox.sealAll();
  for (const hour of [2, 3]) await outbox.insert(3, `2026-07-03T0${hour}:00:00Z`);
  const [bad = ''] = await outbox.insert(4, '2026-07-03T04:00:00Z');
  await outbox.sealAll();
  const sealed = await read();
  expect(sealed).toMatchObject({
    pending: { rows: 0 },
    destinations: [{ name: 's3', retry: null, failed: [], rejected: [] }],
  });

  const deliveries: LeasedDelivery[] = [];
  for (let n = 0; n < sealed.destinations[0].deliveries.sealed; n += 1) deliveries.push(await outbox.lease());
  const at = (partition: string) => {
    const found = deliveries.find((delivery) => delivery.partition === partition);
    if (!found) throw new Error(`There is no delivery of ${partition}.`);
    return found;
  };
  const [done, failed, rejecting] = [at('2026-07-03T01'), at('2026-07-03T02'), at('2026-07-03T04')];
  await releaseDelivery(db, at('2026-07-03T03'), { delayMs: 60_000, countsAsAttempt: true, error: 'no answer' });
  await failDelivery(db, failed, { error: 'a strange answer', keepRender: false });
  await rejectRows(db, rejecting, [{ outboxId: bad, reason: 'too large' }]);
  const rendered = {
    key: 'k',
    sha256: 'a'.repeat(64),
    ndjsonBytes: 10,
    objectBytes: 5,
    linesRoot: null,
    objectSha256: null,
  };
  await recordRender(db, [{ delivery: done, rendered }], 60_000);
  await markDone(db, [done]);
  const [event] = await db.sql<[{ id: string }]>`select audit_id as id from auditbox.outbox where id = ${bad}`;

  const [s3] = (await read()).destinations;
  expect(s3).toMatchObject({
    deliveries: { failed: 1 },
    rows: { failed: 3 },
    rejected_rows: 1,
    last_done_at: expect.stringMatching(/Z$/),
    retry: { batch_id: at('2026-07-03T03').batchId, attempts: 1, error: 'no answer' },
    failed: [{ batch_id: failed.batchId, partition: '2026-07-03T02', rows: 3, error: 'a strange answer' }],
    rejected: [{ event_id: event.id, batch_id: rejecting.batchId, reason: 'too large' }],
  });
  expect(s3.retry.next_attempt_in_seconds).toBeGreaterThan(0);
  expect(s3.hours).toMatchObject([{ objects: 1, rows: 2, bytes: 5 }]);
});

test('a destination that is paused or was never reached is there too', async () => {
  await addDestination(outbox.db, 'soc');
  await pauseDestination(outbox.db, 'soc', true);
  await recordVerify(outbox.db, {
    destination: 's3',
    objects: 1,
    differences: 2,
    completeBefore: '2026-07-03T00:00:00Z',
  });
  const { destinations } = await read();
  expect(destinations).toMatchObject([
    { name: 's3', is_paused: false, last_verify: { differences: 2 } },
    { name: 'soc', is_paused: true, last_done_at: null, hours: [], last_verify: null, log: null },
  ]);
});

test('it is not for keys without the scope, and not for keys that are bound to a tenant', async () => {
  const writer = await makeKey({ name: 'writer', scopes: ['write'] });
  const reader = await makeKey({ name: 'reader', scopes: ['read'] });
  const bound = await makeKey({ name: 'bound', scopes: ['read'], tenant: 'acme' });
  expect((await api.request('/exports', { key: writer })).status).toBe(403);
  expect((await api.request('/exports', { key: bound })).status).toBe(403);
  expect((await api.request('/exports', { key: reader })).status).toBe(200);
});
