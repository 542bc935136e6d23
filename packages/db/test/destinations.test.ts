import { connectDatabase } from '@auditbox/db/database/connect.ts';
import { databaseTime } from '@auditbox/db/database/database-time.ts';
import { beginRequests } from '@auditbox/db/export/begin-requests.ts';
import {
  addDestination,
  countLeftovers,
  pauseDestination,
  removeDestination,
} from '@auditbox/db/export/destinations.ts';
import { askForHistory, continueHistory, countHistory } from '@auditbox/db/export/history.ts';
import { rejectRows } from '@auditbox/db/export/reject-rows.ts';
import { countReplayable, replayDeliveries } from '@auditbox/db/export/replay-deliveries.ts';
import { sealBatches } from '@auditbox/db/export/seal-batches.ts';
import { settleRows } from '@auditbox/db/export/settle-rows.ts';
import { closeMonth, dropMonth, findAwaitingHistory } from '@auditbox/db/months/expired-months.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { limits, type OutboxFixture, openOutbox } from '@auditbox/testing/fixtures/outbox-fixture.ts';
import type { TransactionSql } from 'postgres';
import { afterEach, beforeEach, expect, test } from 'vitest';

/* Histories, replays and removals next to each other and next to a month that is dropped. */

let outbox: OutboxFixture;
const all = { destination: 'soc', occurredFrom: null, occurredTo: null };
const months = ['2026-06-03T01:00:00Z', '2026-07-03T01:00:00Z'] as const;

beforeEach(async () => {
  outbox = await openOutbox();
});
afterEach(() => outbox.close());

async function storeTwoMonths(): Promise<void> {
  for (const month of months) {
    await outbox.db.sql`select auditbox.make_month(${month}::timestamptz)`;
    await outbox.insert(1, month);
  }
  await outbox.sealAll();
}

/** Sends one delivery to its end. */
async function deliver(): Promise<void> {
  const delivery = await outbox.lease(60_000, 'soc');
  const begun = await beginRequests(outbox.db, delivery, '{}');
  await settleRows(outbox.db, delivery, { nextRow: begun?.rowCount ?? 0, rejected: [], isLast: true }, 60_000);
}

const june = { name: 'audit_log_2026_06' };
const july = { name: 'audit_log_2026_07' };
const dropJune = 'drop table auditbox.audit_log_2026_06';

const deliveries = async (destination: string) =>
  (await outbox.db.sql`select from auditbox.delivery where destination = ${destination}`).length;

const waits = () =>
  eventually(async () => {
    const waiting = await outbox.db.sql`
      select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    expect(waiting).toHaveLength(1);
  });

async function addAll(name: string): Promise<void> {
  await outbox.db.sql`update auditbox.destination set created_at = now() - interval '1 hour' where name = ${name}`;
  while ((await continueHistory(outbox.db, name, 1)) !== 'done');
}

test('a history that is asked for while another is added makes that one longer and never shorter', async () => {
  const { db } = outbox;
  await storeTwoMonths();
  await addDestination(db, 'soc', { isPaused: false, history: { since: null } });
  expect(await askForHistory(db, 'soc', '2026-07-01T00:00:00Z')).toBe(true);
  await addAll('soc');
  expect(await deliveries('soc')).toBe(2);

  await addDestination(db, 'siem', { isPaused: false, history: { since: '2026-07-01T00:00:00Z' } });
  await askForHistory(db, 'siem', '2026-06-01T00:00:00Z');
  await addAll('siem');
  expect(await deliveries('siem')).toBe(2);

  // One that is over does not count any more.
  await addDestination(db, 'third');
  await askForHistory(db, 'third', '2026-07-01T00:00:00Z');
  await addAll('third');
  expect(await deliveries('third')).toBe(1);
  expect(await askForHistory(db, 'fourth', null)).toBe(false);
});

test('a block that began before more was asked for does not count as gone through', async () => {
  const { db } = outbox;
  await storeTwoMonths();
  await addDestination(db, 'soc', { isPaused: false, history: { since: '2026-07-01T00:00:00Z' } });
  let step: Promise<unknown> = Promise.resolve();
  await db.sql.begin(async (sql) => {
    await sql`update auditbox.destination set history_since = null where name = 'soc'`;
    // It has read the state, and waits for the row.
    step = continueHistory(db, 'soc', 10);
    await waits();
  });
  expect(await step).toBe('added');
  const state = await db.sql`select history_behind::text as behind from auditbox.destination where name = 'soc'`;
  expect(state).toEqual([{ behind: '0' }]);
  await addAll('soc');
  expect(await deliveries('soc')).toBe(2);
});

test('batches of a dropped month are in no history and in no replay', async () => {
  const { db } = outbox;
  await addDestination(db, 'soc');
  await storeTwoMonths();
  await deliver();
  await deliver();
  await db.sql.unsafe(dropJune);
  expect(await countReplayable(db, all)).toEqual({ batches: 1, rows: 1 });
  expect(await replayDeliveries(db, all, await databaseTime(db), 10)).toEqual({ batches: 1, rows: 1 });
  await addDestination(db, 'siem', { isPaused: false, history: { since: null } });
  expect(await countHistory(db, 'siem', null)).toBe(1);
  await addAll('siem');
  expect(await deliveries('siem')).toBe(1);
});

test('a history and a replay wait for a month that is being dropped, and leave it out', async () => {
  const { db } = outbox;
  await addDestination(db, 'soc');
  await storeTwoMonths();
  await deliver();
  await deliver();
  await addDestination(db, 'siem', { isPaused: false, history: { since: null } });
  const began = await databaseTime(db);
  let replayed: Promise<unknown> = Promise.resolve();
  // As drop_month does it.
  await db.sql.begin(async (sql) => {
    await sql`lock table auditbox.destination in share mode`;
    replayed = replayDeliveries(db, all, began, 10);
    await waits();
    await sql.unsafe(dropJune);
  });
  expect(await replayed).toEqual({ batches: 1, rows: 1 });

  let added: Promise<unknown> = Promise.resolve();
  await db.sql.begin(async (sql) => {
    await sql`lock table auditbox.destination in share mode`;
    added = continueHistory(db, 'siem', 10);
    await waits();
    await sql`drop table auditbox.audit_log_2026_07`;
  });
  expect(await added).toBe('added');
  expect(await deliveries('siem')).toBe(0);
});

test('a history that is being added gives nothing to a destination that is removed now', async () => {
  const { db } = outbox;
  await storeTwoMonths();
  await addDestination(db, 'soc', { isPaused: false, history: { since: null } });
  let step: Promise<unknown> = Promise.resolve();
  await db.sql.begin(async (sql) => {
    await sql`delete from auditbox.destination where name = 'soc'`;
    step = continueHistory(db, 'soc', 10);
    await waits();
  });
  await step;
  expect(await deliveries('soc')).toBe(0);
  expect(await continueHistory(db, 'soc', 10)).toBe('unknown');
});

test('what a removal left is counted until it is gone', async () => {
  const { db } = outbox;
  await addDestination(db, 'soc');
  await storeTwoMonths();
  expect(await countLeftovers(db, 'soc')).toBe(2);
  expect(await countLeftovers(db, 'soc', 1)).toBe(1);
  expect(await removeDestination(db, 'soc', 1)).toBe(1);
  expect(await countLeftovers(db, 'soc')).toBe(1);
  expect(await removeDestination(db, 'soc', 1)).toBe(1);
  expect(await countLeftovers(db, 'soc')).toBe(0);
});

test('a removal takes the oldest deliveries and rejections first, wherever they lie in the tables', async () => {
  await addDestination(outbox.db, 'soc');
  await storeTwoMonths();
  const leased = [await outbox.lease(60_000, 'soc'), await outbox.lease(60_000, 'soc')];
  expect(leased.map(({ batchId }) => batchId)).toEqual(['1', '2']);
  // What belongs to the first batch is written last, and this session reads rows as they lie.
  for (const delivery of leased.reverse()) {
    // Each batch has one row, and the same id as it.
    expect(await rejectRows(outbox.db, delivery, [{ outboxId: delivery.batchId, reason: 'no' }])).toBe(true);
  }
  const db = connectDatabase({
    ...{ url: outbox.url, application: 'test', maxConnections: 1, statementTimeoutMs: 60_000, avoidSeqScans: true },
  });
  await db.sql`set enable_indexscan = off`;
  await db.sql`set enable_indexonlyscan = off`;
  expect(await removeDestination(db, 'soc', 1)).toBe(2);
  expect(
    await db.sql`
      select 'delivery' as what, batch_id from auditbox.delivery where destination = 'soc'
      union all select 'rejection', batch_id from auditbox.rejection where destination = 'soc'`,
  ).toEqual([
    { what: 'delivery', batch_id: '2' },
    { what: 'rejection', batch_id: '2' },
  ]);
  await db.close(1_000);
});

test('progress of a paused destination is recorded, and says that it is paused', async () => {
  const { db } = outbox;
  await addDestination(db, 'soc');
  await outbox.insert(3);
  await outbox.sealAll();
  const delivery = await outbox.lease(60_000, 'soc');
  await beginRequests(db, delivery, '{}');
  await pauseDestination(db, 'soc', true);
  expect(await settleRows(db, delivery, { nextRow: 2, rejected: [], isLast: false }, 60_000)).toBe('paused');
  const rows = await db.sql`select next_row, state from auditbox.delivery where destination = 'soc'`;
  expect(rows).toEqual([{ next_row: 2, state: 'sending' }]);
});

async function removeAll(name: string): Promise<void> {
  while ((await removeDestination(outbox.db, name, 1)) > 0);
}

/** Holds a seal up in its middle: the id of its batch is taken by a transaction that has not ended. */
async function takeNextBatchId(sql: TransactionSql): Promise<void> {
  await sql`
    insert into auditbox.batch
      (id, partition, outbox_ids, row_count, first_occurred_at, last_occurred_at, first_recorded_at, replay_for)
    overriding system value
    select case when is_called then last_value + 1 else last_value end, '2026-07-03T01', '{[900000,900001)}', 1, now(), now(), now(), 'x'
    from auditbox.batch_id_seq`;
}

const undo = new Error('This transaction is undone.');
const undoing = (error: unknown) => {
  if (error !== undo) throw error;
};

test('a seal makes no delivery for a destination that was removed after it began', async () => {
  const { db } = outbox;
  await addDestination(db, 'soc');
  await outbox.insert(1);
  let sealing: Promise<unknown> = Promise.resolve();
  await db.sql
    .begin(async (sql) => {
      await takeNextBatchId(sql);
      sealing = sealBatches(db, limits);
      await waits();
      await removeAll('soc');
      throw undo;
    })
    .catch(undoing);
  expect(await sealing).toMatchObject({ batches: 1, rows: 1 });
  expect(await deliveries('soc')).toBe(0);
  expect(await deliveries('s3')).toBe(1);
});

const zeros = '0'.repeat(64);

test.each([
  ['a seal', () => `select auditbox.seal('hour', 10, 1000000, 0, 10)`],
  ['a seal in steps', () => `select auditbox.seal_in_steps('hour', 10, 1000000, 0, 10)`],
  [
    'the adoption of an object',
    (auditId: string) =>
      `select auditbox.adopt_batch('s3', 99, '2026-07-03T01', '{${auditId}}', 'k', '${zeros}', 1, 1, '${zeros}', '${zeros}')`,
  ],
])('a removal waits for %s that made a delivery, and takes it along', async (_name, statement) => {
  const { db } = outbox;
  await addDestination(db, 'soc');
  await outbox.insert(1);
  const [event] = await db.sql<{ id: string }[]>`select id from auditbox.audit_log`;
  let removing: Promise<unknown> = Promise.resolve();
  await db.sql.begin(async (sql) => {
    await sql.unsafe(statement(event?.id ?? ''));
    removing = removeAll('soc');
    // A removal that did not wait would be over.
    await Promise.race([removing, waits()]);
  });
  await removing;
  expect(await deliveries('soc')).toBe(0);
  expect(await deliveries('s3')).toBe(1);
});

test('a seal and what changes a destination do not wait for each other, and the destination gets its delivery', async () => {
  const { db } = outbox;
  await storeTwoMonths();
  await addDestination(db, 'soc', { isPaused: false, history: { since: null } });
  const before = await deliveries('s3');
  await outbox.insert(1);
  let sealing: Promise<unknown> = Promise.resolve();
  // Each change is committed after the seal took its snapshot.
  await db.sql
    .begin(async (sql) => {
      await takeNextBatchId(sql);
      sealing = sealBatches(db, limits);
      await waits();
      await pauseDestination(db, 'soc', true);
      expect(await continueHistory(db, 'soc', 10)).toBe('added');
      throw undo;
    })
    .catch(undoing);
  await sealing;
  expect(await deliveries('soc')).toBe(before + 1);

  // The seal has its locks, and a change of the destination is not committed.
  await outbox.insert(1);
  await db.sql.begin(async (sql) => {
    await sql`select auditbox.seal('hour', 10, 1000000, 0, 10)`;
    await pauseDestination(db, 'soc', false);
    expect(await askForHistory(db, 'soc', null)).toBe(true);
  });
  await outbox.insert(1);
  await db.sql.begin(async (sql) => {
    await sql`update auditbox.destination set is_paused = true where name = 'soc'`;
    await outbox.sealAll();
  });
  expect(await deliveries('soc')).toBe(await deliveries('s3'));
});

test('the months that an unfinished history is about are known until their batches are added', async () => {
  const { db } = outbox;
  await storeTwoMonths();
  await addDestination(db, 'soc', { isPaused: false, history: { since: '2026-07-01T00:00:00Z' } });
  expect(await findAwaitingHistory(db, june)).toBeNull();
  expect(await findAwaitingHistory(db, july)).toBe('soc');
  expect(await continueHistory(db, 'soc', 10)).toBe('added');
  expect(await findAwaitingHistory(db, july)).toBeNull();
  await askForHistory(db, 'soc', null);
  expect(await findAwaitingHistory(db, june)).toBe('soc');
});

/** Ends the deliveries to S3, as if their objects were there. */
async function archiveAll(): Promise<void> {
  const { sql } = outbox.db;
  await sql`
    update auditbox.delivery
    set state = 'sending', lease_token = gen_random_uuid(), leased_until = now(), object_key = 'k' || batch_id, sha256 = ${zeros},
      ndjson_bytes = 1, object_bytes = 1
    where destination = 's3'`;
  await sql`
    update auditbox.delivery set state = 'done', done_at = now(), lease_token = null, leased_until = null where destination = 's3'`;
}

test('a month is not dropped while a destination waits for its history, whenever that was asked for', async () => {
  const { db } = outbox;
  await storeTwoMonths();
  await archiveAll();
  await closeMonth(db, june);
  await addDestination(db, 'soc', { isPaused: false, history: { since: '2026-07-01T00:00:00Z' } });
  await addAll('soc');
  // Nobody asks for June. Then somebody does, after retention has looked.
  expect(await findAwaitingHistory(db, june)).toBeNull();
  await db.sql.begin(async (sql) => {
    await sql`update auditbox.destination set history_since = null, history_behind = 0 where name = 'soc'`;
    // The drop waits for the answer, and gives up before writers queue up behind it.
    await expect(dropMonth(db, june, 's3')).rejects.toMatchObject({ code: '55P03' });
  });
  expect(await dropMonth(db, june, 's3')).toBe(false);
  await addAll('soc');
  // The delivery of June is there, and not sent.
  expect(await findAwaitingHistory(db, june)).toBeNull();
  expect(await dropMonth(db, june, 's3')).toBe(false);
  await deliver();
  await deliver();
  expect(await dropMonth(db, june, 's3')).toBe(true);
  expect(await db.sql`select to_regclass('auditbox.audit_log_2026_06') as table`).toEqual([{ table: null }]);
});
