import type { LeasedDelivery } from '@auditbox/core/export/delivery.ts';
import { connectDatabase } from '@auditbox/db/database/connect.ts';
import { addDestination, pauseDestination, removeDestination } from '@auditbox/db/export/destinations.ts';
import { extendLease } from '@auditbox/db/export/extend-lease.ts';
import { failDelivery } from '@auditbox/db/export/fail-delivery.ts';
import { findBadRows } from '@auditbox/db/export/find-bad-rows.ts';
import { findFailed } from '@auditbox/db/export/find-failed.ts';
import { addHistory } from '@auditbox/db/export/history.ts';
import { leaseDelivery } from '@auditbox/db/export/lease-delivery.ts';
import { markDone } from '@auditbox/db/export/mark-done.ts';
import { recordRender } from '@auditbox/db/export/record-render.ts';
import { rejectRows } from '@auditbox/db/export/reject-rows.ts';
import { releaseDelivery } from '@auditbox/db/export/release-delivery.ts';
import { replayFailed } from '@auditbox/db/export/replay-failed.ts';
import { replayProgress } from '@auditbox/db/export/replay-progress.ts';
import { findUnexported, lastOutboxId } from '@auditbox/db/export/unexported.ts';
import { findPendingRows, findUnfinishedDeliveries } from '@auditbox/db/observe/backlog.ts';
import { type OutboxFixture, openOutbox } from '@auditbox/testing/fixtures/outbox-fixture.ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

let outbox: OutboxFixture;
let ids: string[];
const rendered = {
  key: 'k',
  sha256: 'a'.repeat(64),
  ndjsonBytes: 10,
  objectBytes: 5,
  linesRoot: null,
  objectSha256: null,
};
const everything = { destination: 's3', occurredFrom: null, occurredTo: null, batchId: null };

beforeEach(async () => {
  outbox = await openOutbox();
  ids = await outbox.insert(3);
  await outbox.sealAll();
});
afterEach(() => outbox.close());

const deliveries = () => outbox.db.sql`select * from auditbox.delivery order by destination, batch_id`;
const take = (leaseMs = 60_000) => leaseDelivery(outbox.db, { destination: 's3', leaseMs, batchIds: null });
const record = async (delivery: LeasedDelivery, key = 'k') =>
  (await recordRender(outbox.db, [{ delivery, rendered: { ...rendered, key } }], 60_000))[0];
const mark = async (delivery: LeasedDelivery) => (await markDone(outbox.db, [delivery]))[0];
const states = async () => (await deliveries()).map(({ state }) => state);

async function rejectAll(reason = 'no'): Promise<void> {
  await rejectRows(
    outbox.db,
    await outbox.lease(),
    ids.map((outboxId) => ({ outboxId, reason })),
  );
}

test('a delivery is leased by one exporter at a time, and by another once the lease is over', async () => {
  const first = await outbox.lease(0);
  const second = await outbox.lease();
  expect(second).toMatchObject({ batchId: first.batchId, attempts: 2, rowCount: 3, partition: '2026-07-03T01' });
  expect(second.leaseToken).not.toBe(first.leaseToken);
  expect(await take()).toBeNull();
});

test('many exporters that lease at once get different deliveries', async () => {
  for (let hour = 2; hour < 10; hour += 1) await outbox.insert(1, `2026-07-03T0${hour}:00:00Z`);
  await outbox.sealAll();
  const leased = await Promise.all(Array.from({ length: 20 }, () => take()));
  const batchIds = leased.flatMap((delivery) => delivery?.batchId ?? []);
  expect(batchIds).toHaveLength(9);
  expect(new Set(batchIds).size).toBe(9);
});

test('a lease or a wait that lies further ahead than any setting allows is over', async () => {
  await outbox.lease(86_400_000);
  const again = await outbox.lease();
  await releaseDelivery(outbox.db, again, { delayMs: 86_400_000, countsAsAttempt: true, error: null });
  expect(await take()).not.toBeNull();
  expect(await take()).toBeNull();
});

test('a lease or a wait that began before the clock went back is over, however little it went back', async () => {
  const goBack = () =>
    outbox.db.sql.begin(async (tx) => {
      // Its trigger sets when a wait began.
      await tx`alter table auditbox.delivery disable trigger delivery_changes`;
      await tx`
      update auditbox.delivery set next_attempt_at = next_attempt_at + interval '1 hour',
        leased_until = leased_until + interval '1 hour', waits_since = waits_since + interval '1 hour'`;
      await tx`alter table auditbox.delivery enable always trigger delivery_changes`;
    });
  // Sealed before the clock went back, leased before it, and given back before it.
  await goBack();
  await outbox.lease();
  await goBack();
  const again = await outbox.lease();
  await releaseDelivery(outbox.db, again, { delayMs: 60_000, countsAsAttempt: true, error: null });
  expect(await take()).toBeNull();
  await goBack();
  const last = await outbox.lease(60_000);
  expect(await take()).toBeNull();
  // A holder that lives through it prolongs its lease by the right clock; after its death the lease is over in time.
  await goBack();
  expect(await extendLease(outbox.db, last, 0)).toBe(true);
  expect(await take()).toMatchObject({ attempts: 4 });
});

describe('of a destination whose new batches go first', () => {
  const soc = { destination: 'soc', leaseMs: 60_000, batchIds: null };
  const lease = async (newestFirst = true) =>
    (await leaseDelivery(outbox.db, { ...soc, newestFirst })) ?? expect.fail('No delivery is due.');
  const later = { delayMs: 60_000, countsAsAttempt: true, error: 'later' };

  /** Sent by requests, to the end. */
  const finish = async (from: number) => {
    await outbox.db.sql`
      update auditbox.delivery set state = 'sending', lease_token = gen_random_uuid(), leased_until = now(), sent_as = '{}'
      where destination = 'soc' and batch_id >= ${from} and state in ('sealed', 'sending')`;
    // Otherwise the next update removes the first versions or does not: transactions of other databases decide it.
    await outbox.db.sql`vacuum auditbox.delivery`;
    await outbox.db.sql`
      update auditbox.delivery set state = 'done', done_at = now(), lease_token = null, leased_until = null
      where destination = 'soc' and state = 'sending'`;
  };

  /** 4,001 old batches, and two new ones, the first of which was sealed before the old ones were added as history. */
  beforeEach(async () => {
    await outbox.db.sql`
      insert into auditbox.batch (partition, outbox_ids, row_count, first_occurred_at, last_occurred_at, first_recorded_at)
      select partition, int8multirange(int8range(-n, -n + 1)), 1, first_occurred_at, last_occurred_at, first_recorded_at
      from auditbox.batch, generate_series(1, 4000) n`;
    await addDestination(outbox.db, 'soc');
    await outbox.insert(1, '2026-07-03T02:00:00Z');
    await outbox.sealAll();
    const history = { destination: 'soc', behind: '0', maxBatches: 5_000, since: null };
    expect(await addHistory(outbox.db, history)).toMatchObject({ added: 4_001 });
    await outbox.insert(1, '2026-07-03T03:00:00Z');
    await outbox.sealAll();
  });

  test('the newest batch is first, whatever became due later, and is leased once', async () => {
    expect(await lease(false)).toMatchObject({ batchId: '4002', isNewest: false });
    const old = await lease(false);
    expect(old).toMatchObject({ batchId: '1', isNewest: false });
    await releaseDelivery(outbox.db, old, { ...later, delayMs: 0 });
    const leased = [await lease(), await lease(), await lease(false)];
    expect(leased.map(({ batchId, isNewest }) => [batchId, isNewest])).toEqual([
      ['4003', true],
      ['4001', true],
      ['2', false],
    ]);
  });

  test('a new batch that waits or has failed is passed over, and a paused destination gets none', async () => {
    await releaseDelivery(outbox.db, await lease(), later);
    expect(await failDelivery(outbox.db, await lease(), { error: 'no', keepRender: false })).toBe(true);
    expect(await lease()).toMatchObject({ batchId: '4001', isNewest: true });
    await pauseDestination(outbox.db, 'soc', true);
    expect(await leaseDelivery(outbox.db, { ...soc, newestFirst: true })).toBeNull();
  });

  test('a new batch whose lease is over is leased again', async () => {
    for (const batchId of ['4003', '4002']) expect(await lease()).toMatchObject({ batchId });
    await outbox.db.sql`update auditbox.delivery set leased_until = now() where state = 'sending'`;
    expect(await lease()).toMatchObject({ batchId: '4003', attempts: 2 });
  });

  test('the one that has been due the longest is next when the last 1,000 are done, and few rows are read for it', async () => {
    await finish(3_004);
    expect(await lease()).toMatchObject({ batchId: '1', isNewest: false });
    const exporter = connectDatabase({
      ...{ url: outbox.url, application: 'test', maxConnections: 1, statementTimeoutMs: 60_000, avoidSeqScans: true },
    });
    const rowsRead = async () => {
      await exporter.sql`select pg_stat_force_next_flush()`;
      const [read] = await exporter.sql<[{ rows: number }]>`
        select (seq_tup_read + (select sum(idx_tup_read) from pg_stat_user_indexes i where i.relid = t.relid))::int as rows
        from pg_stat_user_tables t where relid = 'auditbox.delivery'::regclass`;
      return read.rows;
    };
    const readBy = async (newestFirst: boolean, isDue = true) => {
      const before = await rowsRead();
      const leased = await leaseDelivery(exporter, { ...soc, newestFirst });
      expect(leased?.isNewest).toBe(isDue ? false : undefined);
      return (await rowsRead()) - before;
    };
    // An index has an entry for each version of a row until the table is vacuumed.
    expect(await readBy(true)).toBeLessThan(2_100);
    expect(await readBy(false)).toBeLessThan(100);
    await exporter.sql`vacuum analyze auditbox.delivery`;
    expect(await readBy(true)).toBeLessThan(1_100);
    expect(await readBy(false)).toBeLessThan(100);
    // An idle destination is polled all the time.
    await finish(1);
    await exporter.sql`vacuum auditbox.delivery`;
    expect(await readBy(true, false)).toBeLessThan(100);
    await exporter.close(1_000);
  });
});

test('a lease can be narrowed to some batches', async () => {
  expect(await leaseDelivery(outbox.db, { destination: 's3', leaseMs: 1_000, batchIds: ['99'] })).toBeNull();
  expect(await leaseDelivery(outbox.db, { destination: 's3', leaseMs: 1_000, batchIds: ['1'] })).not.toBeNull();
});

test.each([
  ['mark it done', (held: LeasedDelivery) => mark(held)],
  ['fail it', (held: LeasedDelivery) => failDelivery(outbox.db, held, { error: 'no', keepRender: false })],
  ['keep it', (held: LeasedDelivery) => extendLease(outbox.db, held, 1_000)],
  [
    'give it back',
    (held: LeasedDelivery) => releaseDelivery(outbox.db, held, { delayMs: 0, countsAsAttempt: true, error: 'no' }),
  ],
  ['record a render', (held: LeasedDelivery) => record(held, 'other')],
  [
    'reject its rows',
    (held: LeasedDelivery) => rejectRows(outbox.db, held, [{ outboxId: ids[0] ?? '', reason: 'no' }]),
  ],
])('an exporter that lost the lease cannot %s', async (_what, change) => {
  const stale = await outbox.lease(0);
  const holder = await outbox.lease();
  await record(holder);
  const before = await deliveries();
  expect(await change(stale)).toBe(false);
  expect(await deliveries()).toEqual(before);
  expect(await outbox.db.sql`select from auditbox.rejection`).toHaveLength(0);
  expect(await mark(holder)).toBe(true);
});

test('of deliveries marked together, each counts for itself', async () => {
  await outbox.insert(1, '2026-07-03T02:00:00Z');
  await outbox.sealAll();
  const stale = await outbox.lease(0);
  const holder = await outbox.lease();
  const other = await outbox.lease();
  const renders = [holder, stale, other].map((delivery) => ({ delivery, rendered }));
  expect(await recordRender(outbox.db, renders, 60_000)).toEqual([true, false, true]);
  expect(await markDone(outbox.db, [stale, other, holder])).toEqual([false, true, true]);
  expect(await states()).toEqual(['done', 'done']);
});

test('a delivery that was given back is due after its wait, and only a counted attempt counts', async () => {
  const { db } = outbox;
  await releaseDelivery(db, await outbox.lease(), { delayMs: 60_000, countsAsAttempt: true, error: 'later' });
  expect(await take()).toBeNull();
  await db.sql`update auditbox.delivery set next_attempt_at = now()`;
  await releaseDelivery(db, await outbox.lease(), { delayMs: 0, countsAsAttempt: false, error: null });
  expect(await deliveries()).toMatchObject([{ state: 'sealed', attempts: 1, last_error: 'later', lease_token: null }]);
});

test.each([
  ["state = 'done'", 'sealed'],
  ["state = 'sending'", 'sealed'],
  ["state = 'failed'", 'sealed'],
  ["state = 'lost'", 'sealed'],
  ['lease_token = gen_random_uuid()', 'sealed'],
  ["sha256 = 'abc'", 'sealed'],
  ["sent_as = 'requests'", 'sealed'],
  ['done_at = now()', 'sealed'],
  ["destination = 'other'", 'sealed'],
  ['batch_id = 7', 'sealed'],
  ["object_key = 'other'", 'sending'],
  ["state = 'done', done_at = now(), lease_token = null, leased_until = null", 'sending'],
  ["state = 'sealed', done_at = null", 'done'],
  ["state = 'failed', done_at = null, last_error = 'no'", 'done'],
])('the table refuses %s of a delivery that is %s', async (change, from) => {
  if (from !== 'sealed') {
    const delivery = await outbox.lease();
    if (from === 'done') {
      await record(delivery);
      await mark(delivery);
    }
  }
  const before = await deliveries();
  await expect(outbox.db.sql`update auditbox.delivery set ${outbox.db.sql.unsafe(change)}`).rejects.toMatchObject({
    code: expect.stringMatching(/^(23514|42501)$/),
  });
  expect(await deliveries()).toEqual(before);
});

test('a delivery begins sealed, and a row is rejected only while its delivery is being sent', async () => {
  const { sql } = outbox.db;
  const failed = sql`insert into auditbox.delivery (destination, batch_id, state, last_error) values ('x', 1, 'failed', 'no')`;
  await expect(failed).rejects.toMatchObject({ code: '42501' });
  const rejected = sql`
    insert into auditbox.rejection (destination, outbox_id, batch_id, audit_id, occurred_at, reason)
    select 's3', id, 1, audit_id, occurred_at, 'no' from auditbox.outbox limit 1`;
  await expect(rejected).rejects.toMatchObject({ code: '42501' });
});

test('batches and outbox rows never change', async () => {
  const { sql } = outbox.db;
  for (const change of [
    'update auditbox.batch set row_count = 1',
    'delete from auditbox.batch',
    'truncate auditbox.batch',
    'update auditbox.outbox set bytes = 1',
    'delete from auditbox.outbox',
    'truncate auditbox.outbox',
    'truncate auditbox.delivery',
  ]) {
    await expect(sql.unsafe(change), change).rejects.toMatchObject({ code: '42501' });
  }
});

test('a rejected row is left out, the other rows are due at once, and a replay sends it in a batch by itself', async () => {
  const { db } = outbox;
  const [bad = ''] = ids;
  const first = await outbox.lease();
  await record(first);
  expect(await rejectRows(db, first, [{ outboxId: bad, reason: 'too large' }])).toBe(true);
  const second = await outbox.lease();
  expect(second).toMatchObject({ batchId: first.batchId, rowCount: 2, attempts: 1, rendered: null });
  await record(second);
  await mark(second);
  expect(await findFailed(db, everything)).toMatchObject({
    deliveries: [],
    rows: [{ outboxId: bad, batchId: first.batchId, reason: 'too large' }],
  });
  const status = await db.sql`select state, last_error, object_key from auditbox.outbox_status order by id`;
  expect(status.map(({ state }) => state)).toEqual(['rejected', 'done', 'done']);
  expect(status[0]).toEqual({ state: 'rejected', last_error: 'too large', object_key: null });

  const replays = await Promise.all(
    [1, 2].map(() => replayFailed(db, { destination: 's3', batchIds: [], outboxIds: [bad] })),
  );
  const { batchIds } = { batchIds: replays.flatMap((replay) => replay.batchIds) };
  expect(batchIds).toHaveLength(1);
  expect(await replayProgress(db, { destination: 's3', batchIds })).toEqual({ sent: 0, underWay: 1 });
  const third = await outbox.lease();
  expect(third).toMatchObject({ batchId: batchIds[0], rowCount: 1, partition: '2026-07-03T01' });
  await record(third, 'k2');
  await mark(third);
  expect(await replayProgress(db, { destination: 's3', batchIds })).toEqual({ sent: 1, underWay: 0 });
  const [row] = await db.sql`select state, object_key, last_error from auditbox.outbox_status where id = ${bad}`;
  expect(row).toEqual({ state: 'done', object_key: 'k2', last_error: null });
});

test('a delivery without a row left fails, and its replay gives it all rows back', async () => {
  const { db } = outbox;
  await rejectAll('no such index');
  expect(await deliveries()).toMatchObject([{ state: 'failed', last_error: expect.stringContaining('no such index') }]);
  expect(await findFailed(db, everything)).toMatchObject({ deliveries: [{ batchId: '1', rows: 3 }], rows: [] });
  await replayFailed(db, { destination: 's3', batchIds: [], outboxIds: ids });
  expect(await states()).toEqual(['failed']);
  expect(await replayFailed(db, { destination: 's3', batchIds: ['1'], outboxIds: [] })).toEqual({ batchIds: ['1'] });
  expect(await outbox.lease()).toMatchObject({ rowCount: 3 });
});

test('an event that is gone is found by halving, and no other row is blamed', async () => {
  const { db } = outbox;
  await db.sql`alter table auditbox.audit_log_2026_07 disable trigger all`;
  await db.sql`
    delete from auditbox.audit_log_2026_07
    where id = (select audit_id from auditbox.outbox where id = ${ids[1] ?? ''})`;
  expect(await findBadRows(db, await outbox.lease())).toEqual([
    { outboxId: ids[1], reason: 'The event is not in the database any more.' },
  ]);
});

test('a new destination gets its history block by block, and an old one keeps its deliveries', async () => {
  const { db } = outbox;
  for (let hour = 2; hour < 6; hour += 1) await outbox.insert(1, `2026-07-03T0${hour}:00:00Z`);
  await outbox.sealAll();
  const before = await deliveries();
  expect(await addDestination(db, 'splunk')).toBe(true);
  expect(await addDestination(db, 'splunk')).toBe(false);
  await outbox.insert(1, '2026-07-03T06:00:00Z');
  await outbox.sealAll();
  let added = 0;
  for (let behind: string | null = '0'; behind !== null; ) {
    const block = await addHistory(db, { destination: 'splunk', behind, maxBatches: 2, since: '2026-07-03T02:00:00Z' });
    added += block.added;
    behind = block.nextBehind;
  }
  expect(added).toBe(4);
  const splunk = await db.sql`select batch_id from auditbox.delivery where destination = 'splunk'`;
  expect(splunk).toHaveLength(5);
  expect((await deliveries()).slice(0, before.length)).toEqual(before);
});

test('a paused destination gets deliveries and is not sent to; a removed one gets none', async () => {
  const { db } = outbox;
  expect(await pauseDestination(db, 's3', true)).toBe(true);
  expect(await take()).toBeNull();
  await outbox.insert(1, '2026-07-03T02:00:00Z');
  await outbox.sealAll();
  expect(await states()).toEqual(['sealed', 'sealed']);
  await pauseDestination(db, 's3', false);
  expect(await take()).not.toBeNull();
  expect(await removeDestination(db, 's3', 1)).toBe(1);
  expect(await removeDestination(db, 's3', 10)).toBe(1);
  expect(await removeDestination(db, 's3', 10)).toBe(0);
  await outbox.insert(1, '2026-07-03T03:00:00Z');
  await outbox.sealAll();
  expect(await deliveries()).toHaveLength(0);
});

test('a drain sees what is left of the rows up to an id, and the metrics count it', async () => {
  const { db } = outbox;
  const upTo = await lastOutboxId(db);
  expect(await findUnexported(db, { destination: 's3', upTo })).toEqual({
    anyPending: false,
    anyInFlight: true,
    failedDeliveries: 0,
    rejectedRows: 0,
  });
  await outbox.insert(2);
  expect(await findUnexported(db, { destination: 's3', upTo })).toMatchObject({ anyPending: false });
  expect(await findUnexported(db, { destination: 's3', upTo: await lastOutboxId(db) })).toMatchObject({
    anyPending: true,
  });
  expect(await findPendingRows(db)).toMatchObject({ rows: 2, clockWentBack: false });
  expect(await findUnfinishedDeliveries(db)).toMatchObject([
    { destination: 's3', deliveries: { sealed: 1, sending: 0, failed: 0 }, rows: { sealed: 3 }, rejectedRows: 0 },
  ]);
  await rejectAll();
  expect(await findUnexported(db, { destination: 's3', upTo })).toMatchObject({
    anyInFlight: false,
    failedDeliveries: 1,
    rejectedRows: 3,
  });
});
