import { databaseTime } from '@auditbox/db/database/database-time.ts';
import { beginRequests } from '@auditbox/db/export/begin-requests.ts';
import { copyDeliveryRows } from '@auditbox/db/export/copy-delivery-rows.ts';
import { addDestination, listDestinations } from '@auditbox/db/export/destinations.ts';
import { continueHistory } from '@auditbox/db/export/history.ts';
import { leaseDelivery } from '@auditbox/db/export/lease-delivery.ts';
import { countReplayable, replayDeliveries } from '@auditbox/db/export/replay-deliveries.ts';
import { settleRows } from '@auditbox/db/export/settle-rows.ts';
import { type OutboxFixture, openOutbox } from '@auditbox/testing/fixtures/outbox-fixture.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

/* What the tables guarantee to a delivery by requests: any exporter may send it, and it may stop anywhere. */

let outbox: OutboxFixture;
const signal = new AbortController().signal;
const range = { destination: 'soc', occurredFrom: null, occurredTo: null };

beforeEach(async () => {
  outbox = await openOutbox();
  await addDestination(outbox.db, 'soc');
});
afterEach(() => outbox.close());

async function begin(sentAs = 'first') {
  const delivery = await outbox.lease(60_000, 'soc');
  const begun = await beginRequests(outbox.db, delivery, sentAs);
  if (begun === null) throw new Error('The lease is lost.');
  return { ...delivery, ...begun };
}

const rowsFrom = async (from: number, delivery: Awaited<ReturnType<typeof begin>>) => {
  const copied = await copyDeliveryRows(outbox.db, delivery, from, signal);
  return copied.kind === 'copied' ? copied.rows : copied.kind;
};

test('a delivery goes on behind its last settled row, as it was cut and formatted first', async () => {
  const { db } = outbox;
  await outbox.insert(5);
  await outbox.sealAll();
  const first = await begin();
  expect(first).toMatchObject({ sentAs: 'first', nextRow: 0, rowCount: 5 });
  expect(await settleRows(db, first, { nextRow: 2, rejected: [], isLast: false }, 0)).toBe('settled');
  const second = await begin('second');
  expect(second).toMatchObject({ sentAs: 'first', nextRow: 2 });
  expect(await settleRows(db, first, { nextRow: 5, rejected: [], isLast: true }, 0)).toBe('lost');
  expect(await settleRows(db, second, { nextRow: 5, rejected: [], isLast: true }, 0)).toBe('settled');
  const [delivery] = await db.sql`
    select state, next_row, attempts from auditbox.delivery where destination = 'soc'`;
  expect(delivery).toEqual({ state: 'done', next_row: 5, attempts: 1 });
});

test('rows keep their place when one is rejected, and come in the order of event time', async () => {
  const { db } = outbox;
  for (const second of ['30', '10', '20']) await outbox.insert(1, `2026-07-03T01:00:${second}Z`);
  await outbox.sealAll();
  const delivery = await begin();
  const all = await rowsFrom(0, delivery);
  if (typeof all === 'string') throw new Error(all);
  expect(all.map(({ position, occurredAt }) => [position, occurredAt])).toEqual([
    [0, '2026-07-03T01:00:10.000000Z'],
    [1, '2026-07-03T01:00:20.000000Z'],
    [2, '2026-07-03T01:00:30.000000Z'],
  ]);
  expect(JSON.parse(all[0]?.line ?? '')).toMatchObject({ id: all[0]?.id, changed_by: 'ana' });
  const rejected = [{ outboxId: all[1]?.outboxId ?? '', reason: 'too large' }];
  await settleRows(db, delivery, { nextRow: 1, rejected, isLast: false }, 60_000);
  const rest = await rowsFrom(1, delivery);
  expect(rest).toMatchObject([
    { position: 1, isRejected: true, line: '' },
    { position: 2, isRejected: false },
  ]);
});

test('an event that is gone makes no delivery look whole', async () => {
  const { db } = outbox;
  await outbox.insert(2);
  await outbox.sealAll();
  const delivery = await begin();
  await db.sql`alter table auditbox.audit_log disable trigger user`;
  await db.sql.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql`delete from auditbox.audit_log where id = (select min(id::text)::uuid from auditbox.audit_log)`;
  });
  expect(await rowsFrom(0, delivery)).toBe('incomplete');
});

test('a done delivery is sent again from its first row with its rejected rows, and only once', async () => {
  const { db } = outbox;
  await outbox.insert(3);
  await outbox.sealAll();
  const delivery = await begin();
  const rows = await rowsFrom(0, delivery);
  if (typeof rows === 'string') throw new Error(rows);
  const rejected = [{ outboxId: rows[1]?.outboxId ?? '', reason: 'no' }];
  await settleRows(db, delivery, { nextRow: 3, rejected, isLast: true }, 0);
  expect(await countReplayable(db, range)).toEqual({ batches: 1, rows: 3 });
  const began = await databaseTime(db);
  expect(await replayDeliveries(db, range, began, 10)).toEqual({ batches: 1, rows: 3 });
  expect(await replayDeliveries(db, range, began, 10)).toEqual({ batches: 0, rows: 0 });
  const again = await begin('other');
  expect(again).toMatchObject({ nextRow: 0, sentAs: 'first' });
  expect(await rowsFrom(0, again)).toEqual(rows);
});

test('a delivery that is sent never goes back, and the one of an object is never sent again', async () => {
  const { db } = outbox;
  await outbox.insert(3);
  await outbox.sealAll();
  const delivery = await begin();
  await settleRows(db, delivery, { nextRow: 2, rejected: [], isLast: false }, 60_000);
  await expect(settleRows(db, delivery, { nextRow: 1, rejected: [], isLast: false }, 60_000)).rejects.toThrow(
    /does not go back/,
  );
  const s3 = await outbox.lease();
  await db.sql`update auditbox.delivery set object_key = 'k', sha256 = ${'0'.repeat(64)}, ndjson_bytes = 1, object_bytes = 1
    where destination = 's3'`;
  await db.sql`update auditbox.delivery set state = 'done', done_at = now(), lease_token = null, leased_until = null
    where destination = 's3' and lease_token = ${s3.leaseToken}::uuid`;
  const began = await databaseTime(db);
  expect(await replayDeliveries(db, { ...range, destination: 's3' }, began, 10)).toEqual({ batches: 0, rows: 0 });
  await expect(
    db.sql`update auditbox.delivery set state = 'sealed', done_at = null where destination = 's3'`,
  ).rejects.toThrow(/does not go from done to sealed/);
});

test('a history that was interrupted goes on, and its last batches are gone through again', async () => {
  const { db } = outbox;
  for (const hour of ['01', '02', '03']) await outbox.insert(1, `2026-07-03T${hour}:00:00Z`);
  await outbox.sealAll();
  const history = { since: '2026-07-03T02:00:00Z' };
  expect(await addDestination(db, 'new', { isPaused: true, history })).toBe(true);
  expect(await continueHistory(db, 'new', 2)).toBe('added');
  expect(await continueHistory(db, 'new', 2)).toBe('added');
  expect(await continueHistory(db, 'new', 2)).toBe('waiting');
  const added = () => db.sql`select from auditbox.delivery where destination = 'new'`;
  expect(await added()).toHaveLength(2);
  await db.sql`delete from auditbox.delivery where destination = 'new'`.catch(() => {});
  await db.sql`update auditbox.destination set created_at = now() - interval '1 hour' where name = 'new'`;
  expect(await continueHistory(db, 'new', 2)).toBe('done');
  expect(await added()).toHaveLength(2);
  const known = await listDestinations(db);
  expect(known).toContainEqual({ name: 'new', isPaused: true, addsHistory: false });
  expect(await leaseDelivery(db, { destination: 'new', leaseMs: 1_000, batchIds: null })).toBeNull();
});
