import type { LeasedBatch } from '@auditbox/core/export/batch.ts';
import { connectDatabase } from '@auditbox/db/database/connect.ts';
import { extendLease } from '@auditbox/db/export/extend-lease.ts';
import { failBatch } from '@auditbox/db/export/fail-batch.ts';
import { leaseBatch } from '@auditbox/db/export/lease-batch.ts';
import { markDone } from '@auditbox/db/export/mark-done.ts';
import { quarantineRows } from '@auditbox/db/export/quarantine-rows.ts';
import { recordRender } from '@auditbox/db/export/record-render.ts';
import { releaseBatch } from '@auditbox/db/export/release-batch.ts';
import { sealBatches } from '@auditbox/db/export/seal-batches.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

let db: TestDatabase;
const limits = { grain: 'hour', maxRows: 100, maxBytes: 1_000_000, lingerMs: 0, maxBatches: 10 } as const;
const rendered = { key: 'k', sha256: 'a'.repeat(64), bytes: 10, objectBytes: 5 };

beforeEach(async () => {
  db = await openTestDatabase();
  await db.store(someEvents(3, { updated_at: '2026-07-03T11:46:50Z' }));
  await sealBatches(db, limits);
});
afterEach(() => db.close(1_000));

async function lease(leaseMs: number): Promise<LeasedBatch> {
  const batch = await leaseBatch(db, leaseMs);
  if (!batch) throw new Error('no batch is due');
  return batch;
}

const ledger = () => db.sql`select * from export_batch`;

test('a batch is leased by one exporter at a time, and by another once the lease has run out', async () => {
  const first = await lease(0);
  const second = await lease(60_000);
  expect(second).toMatchObject({ id: first.id, attempts: 2 });
  expect(second.leaseToken).not.toBe(first.leaseToken);
  expect(await leaseBatch(db, 60_000)).toBeNull();
});

async function mark(batch: LeasedBatch): Promise<boolean | undefined> {
  return (await markDone(db, [batch]))[0];
}

async function record(batch: LeasedBatch, key = rendered.key): Promise<boolean | undefined> {
  return (await recordRender(db, [{ batch, rendered: { ...rendered, key } }], 60_000))[0];
}

test('many exporters that lease at once get different batches', async () => {
  await db.store(
    Array.from({ length: 8 }, (_, hour) => someEvents(1, { updated_at: `2026-07-04T0${hour}:00:00Z` })).flat(),
  );
  await sealBatches(db, limits);
  const batches = await Promise.all(Array.from({ length: 20 }, () => leaseBatch(db, 60_000)));
  const ids = batches.flatMap((batch) => batch?.id ?? []);
  expect(ids).toHaveLength(9);
  expect(new Set(ids).size).toBe(9);
});

test.each([
  ['mark it done', (batch: LeasedBatch) => mark(batch)],
  ['fail it', (batch: LeasedBatch) => failBatch(db, batch, { error: 'no', keepRender: false })],
  ['keep it', (batch: LeasedBatch) => extendLease(db, batch, 1_000)],
  ['give it back', (batch: LeasedBatch) => releaseBatch(db, batch, { delayMs: 0, countsAsAttempt: true, error: 'no' })],
  ['write down a render', (batch: LeasedBatch) => record(batch, 'other')],
  ['quarantine its rows', (batch: LeasedBatch) => quarantineRows(db, batch, [{ outboxId: '1', reason: 'no' }])],
])('an exporter that lost the lease cannot %s', async (_what, change) => {
  const stale = await lease(0);
  const holder = await lease(60_000);
  await record(holder);
  const before = await ledger();
  expect(await change(stale)).toBe(false);
  expect(await ledger()).toEqual(before);
  expect(await mark(holder)).toBe(true);
});

test('of batches marked together, each counts for itself', async () => {
  await db.store(someEvents(1, { updated_at: '2026-07-04T01:00:00Z' }));
  await sealBatches(db, limits);
  const stale = await lease(0);
  const holder = await lease(60_000);
  const other = await lease(60_000);
  const renders = [holder, stale, other].map((batch) => ({ batch, rendered }));
  expect(await recordRender(db, renders, 60_000)).toEqual([true, false, true]);
  expect(await markDone(db, [stale, other, holder])).toEqual([false, true, true]);
  expect((await ledger()).map(({ state }) => state)).toEqual(['done', 'done']);
});

test('a done batch cannot be marked, failed or given back again', async () => {
  const batch = await lease(60_000);
  await record(batch);
  expect(await mark(batch)).toBe(true);
  const before = await ledger();
  expect(await mark(batch)).toBe(false);
  expect(await failBatch(db, batch, { error: 'no', keepRender: false })).toBe(false);
  expect(await releaseBatch(db, batch, { delayMs: 0, countsAsAttempt: true, error: null })).toBe(false);
  expect(await ledger()).toEqual(before);
});

test('a batch that was given back is due after its wait, and only a counted attempt counts', async () => {
  await releaseBatch(db, await lease(60_000), { delayMs: 60_000, countsAsAttempt: true, error: 'later' });
  expect(await leaseBatch(db, 60_000)).toBeNull();
  await db.sql`update export_batch set next_attempt_at = now()`;
  await releaseBatch(db, await lease(60_000), { delayMs: 0, countsAsAttempt: false, error: null });
  expect(await ledger()).toMatchObject([{ state: 'sealed', attempts: 1, last_error: 'later', lease_token: null }]);
});

test.each([
  "state = 'done'",
  "state = 'uploading'",
  "state = 'failed'",
  "state = 'lost'",
  'lease_token = gen_random_uuid()',
  'row_count = 0',
  "sha256 = 'abc'",
  'exported_at = now()',
])('the table refuses the impossible: %s by itself', async (change) => {
  await expect(db.sql`update export_batch set ${db.sql.unsafe(change)}`).rejects.toMatchObject({ code: '23514' });
});

test('a lease can be kept by its holder while the work takes long', async () => {
  const batch = await lease(0);
  expect(await extendLease(db, batch, 60_000)).toBe(true);
  expect(await leaseBatch(db, 60_000)).toBeNull();
});

test('more statements than can be answered in time are refused, not queued', async () => {
  const one = connectDatabase({ url: db.url, application: 'busy', maxConnections: 1, statementTimeoutMs: 20_000 });
  const answers = await Promise.allSettled(
    Array.from({ length: 60 }, async () => one.query((sql) => sql`select pg_sleep(0.01)`)),
  );
  const refused = answers.filter(({ status }) => status === 'rejected');
  expect(refused).toHaveLength(10);
  expect(refused[0]).toMatchObject({ reason: { code: 'DATABASE_BUSY' } });
  await one.close(1_000);
});
