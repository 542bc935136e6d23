import { closeMonth, countUnarchived, dropMonth, forgetDropped } from '@auditbox/db/months/expired-months.ts';
import { type OutboxFixture, openOutbox } from '@auditbox/testing/fixtures/outbox-fixture.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

/* Outbox rows go after their month was dropped, and finding none costs nothing. */

let rig: OutboxFixture;
beforeAll(async () => {
  rig = await openOutbox();
});
afterAll(() => rig.close());

const may = { name: 'audit_log_2019_05' };
const june = { name: 'audit_log_2019_06' };

/** Events of a month, in batches of one row. */
async function archive(at: string, rows: number) {
  await rig.db.sql`select auditbox.make_month(${at}::text::timestamptz)`;
  await rig.insert(rows, at);
  await rig.sealAll({ maxRows: 1, maxBatches: 1_000 });
  await rig.db.sql
    .unsafe(`
      update auditbox.delivery set state = 'sending', lease_token = gen_random_uuid(), leased_until = now()
      where state = 'sealed';
      update auditbox.delivery set sha256 = repeat('a', 64), object_key = 'k' || batch_id, ndjson_bytes = 1, object_bytes = 1
      where state = 'sending';
      update auditbox.delivery set state = 'done', done_at = now(), lease_token = null, leased_until = null
      where state = 'sending'`)
    .simple();
}

async function drop(month: { name: string }) {
  await closeMonth(rig.db, month);
  expect(await countUnarchived(rig.db, month, 's3')).toBe(0);
  expect(await dropMonth(rig.db, month, 's3')).toBe(true);
}

async function forgetAll(most: number): Promise<number> {
  let all = 0;
  for (let forgotten = 1; forgotten > 0; all += forgotten) forgotten = await forgetDropped(rig.db, most);
  return all;
}

const outboxRows = async () => (await rig.db.sql`select from auditbox.outbox`).length;

test('the outbox rows of dropped months go, some batches at a time, and those of other months stay', async () => {
  await archive('2019-05-10T00:00:00Z', 7);
  await archive('2019-06-10T00:00:00Z', 5);
  await archive('2026-07-03T00:00:00Z', 3);
  expect(await forgetDropped(rig.db, 100)).toBe(0);
  await drop(may);
  await drop(june);
  expect(await forgetDropped(rig.db, 4)).toBe(4);
  expect(await outboxRows()).toBe(11);
  expect(await forgetAll(4)).toBe(8);
  expect(await outboxRows()).toBe(3);
});

test('a month that was dropped, got events again and was dropped again is forgotten again', async () => {
  await archive('2019-05-09T00:00:00Z', 2);
  await drop(may);
  expect(await forgetAll(100)).toBe(2);
  expect(await outboxRows()).toBe(3);
});

test('when nothing is left to forget, a call reads two batches of a month, however many there are', async () => {
  await archive('2019-06-11T00:00:00Z', 300);
  await drop(june);
  expect(await forgetAll(1_000)).toBe(300);
  await rig.db.sql.begin(async (tx) => {
    // The session may not have reported what it read before.
    const readBatches = async () => {
      const [row] = await tx<{ read: number }[]>`
        select (seq_tup_read + idx_tup_fetch)::int as read from pg_stat_xact_user_tables where relname = 'batch'`;
      return row?.read ?? 0;
    };
    const before = await readBatches();
    await tx`select auditbox.forget_dropped(100)`;
    expect((await readBatches()) - before).toBeLessThan(10);
  });
});

test('an id stays taken until retention has deleted its outbox row, and is free afterwards', async () => {
  const at = '2019-07-10T00:00:00Z';
  await archive(at, 1);
  const [event] = await rig.db.sql<
    [{ id: string }]
  >`select id from auditbox.audit_log where occurred_at = ${at}::timestamptz`;
  const record = () => rig.db.sql`
    select auditbox.record('ana', 'updated', 't', 'again', updated_at => ${at}::timestamptz, id => ${event.id}::uuid) as id`;
  await drop({ name: 'audit_log_2019_07' });
  await expect(record()).rejects.toMatchObject({
    code: '23505',
    constraint_name: 'outbox_audit_id',
    message: expect.stringContaining('retention removed it'),
  });
  expect(await forgetAll(100)).toBe(1);
  expect(await record()).toEqual([{ id: event.id }]);
});
