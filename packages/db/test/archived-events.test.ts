import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { replayFailed } from '@auditbox/db/export/replay-failed.ts';
import { sealBatches } from '@auditbox/db/export/seal-batches.ts';
import { closeMonth, countUnarchived, dropMonth } from '@auditbox/db/months/expired-months.ts';
import { makeMonths } from '@auditbox/db/months/make-months.ts';
import { limits, type OutboxFixture, openOutbox } from '@auditbox/testing/fixtures/outbox-fixture.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

let rig: OutboxFixture;
let exporter: Database;
beforeEach(async () => {
  rig = await openOutbox();
  exporter = connectDatabase({
    url: urlAs('exporter', rig.url),
    application: 'test',
    maxConnections: 1,
    statementTimeoutMs: 20_000,
  });
});
afterEach(async () => {
  await exporter.close(1_000);
  await rig.close();
});

const month = { name: 'audit_log_2026_05' };
const at = '2026-05-03T01:00:00Z';
const denied = { code: '42501' };

/** Seals three events of a month. */
async function seal(): Promise<string[]> {
  await makeMonths(rig.db, [at]);
  const ids = await rig.insert(3, at);
  await sealBatches(rig.db, limits);
  return ids;
}

/** Takes all deliveries to a destination along their arrows, as a login that may update them can. */
async function pretendDone(destination: string): Promise<void> {
  const sql = exporter.sql;
  await sql`update auditbox.delivery set state = 'sending', lease_token = gen_random_uuid(), leased_until = now() + interval '1 hour',
    sha256 = repeat('a', 64), object_key = 'k', ndjson_bytes = 1, object_bytes = 1 where destination = ${destination} and state = 'sealed'`;
  await sql`update auditbox.delivery set state = 'done', done_at = now(), lease_token = null, leased_until = null
    where destination = ${destination} and state = 'sending'`;
}

test('a delivery to another destination does not archive an event, and the month stays', async () => {
  await seal();
  const sql = exporter.sql;
  await expect(sql`delete from auditbox.delivery`).rejects.toMatchObject(denied);
  await sql`delete from auditbox.destination where name = 's3'`;
  await sql`delete from auditbox.delivery`;
  await sql`insert into auditbox.destination (name) values ('junk')`;
  await sql`insert into auditbox.delivery (destination, batch_id) select 'junk', id from auditbox.batch`;
  await pretendDone('junk');
  await closeMonth(rig.db, month);
  expect(await countUnarchived(rig.db, month, 's3')).toBe(3);
  expect(await dropMonth(rig.db, month, 's3')).toBe(false);
});

test('a month stays while another destination has not received it', async () => {
  await exporter.sql`insert into auditbox.destination (name) values ('second')`;
  await seal();
  await pretendDone('s3');
  expect(await countUnarchived(rig.db, month, 's3')).toBe(3);
  await pretendDone('second');
  expect(await countUnarchived(rig.db, month, 's3')).toBe(0);
});

test('a rejection names the event of its row', async () => {
  const [row = ''] = await seal();
  const { batchId } = await rig.lease();
  for (const event of ['gen_random_uuid(), o.occurred_at', `o.audit_id, o.occurred_at - interval '1 year'`])
    await expect(
      exporter.sql.unsafe(
        `insert into auditbox.rejection (destination, outbox_id, batch_id, audit_id, occurred_at, reason)
         select 's3', o.id, ${batchId}, ${event}, 'too large' from auditbox.outbox o where o.id = ${row}`,
      ),
    ).rejects.toMatchObject(denied);
});

test('a rejected row is archived when its replay is delivered, and not before', async () => {
  const [rejected = ''] = await seal();
  const { batchId } = await rig.lease();
  await exporter.sql`
    insert into auditbox.rejection (destination, outbox_id, batch_id, audit_id, occurred_at, reason)
    select 's3', o.id, ${batchId}, o.audit_id, o.occurred_at, 'too large' from auditbox.outbox o where o.id = ${rejected}`;
  await exporter.sql`update auditbox.delivery set state = 'sealed', lease_token = null, leased_until = null`;
  await pretendDone('s3');
  expect(await countUnarchived(rig.db, month, 's3')).toBe(1);
  await expect(exporter.sql`delete from auditbox.rejection`).rejects.toMatchObject(denied);

  const replayed = await replayFailed(exporter, { destination: 's3', batchIds: [], outboxIds: [rejected] });
  expect(replayed.batchIds).toHaveLength(1);
  expect(await countUnarchived(rig.db, month, 's3')).toBe(1);
  await closeMonth(rig.db, month);
  expect(await dropMonth(rig.db, month, 's3')).toBe(false);
  await pretendDone('s3');
  expect(await countUnarchived(rig.db, month, 's3')).toBe(0);
  expect(await dropMonth(rig.db, month, 's3')).toBe(true);
});

test('a login that holds advisory locks keeps no month from being made', async () => {
  const writer = connectDatabase({
    url: urlAs('writer', rig.url),
    application: 'test',
    maxConnections: 1,
    statementTimeoutMs: 20_000,
  });
  await writer.sql`select pg_advisory_lock(7283104913)`;
  expect(await makeMonths(exporter, ['2025-01-01T00:00:00Z'])).toEqual(new Set());
  await expect(writer.sql`select from auditbox.migration for update`).rejects.toMatchObject(denied);
  await expect(exporter.sql`select from auditbox.migration for update`).rejects.toMatchObject(denied);
  await writer.close(1_000);
});

test('retention removes no month by a snapshot from before an event', async () => {
  await seal();
  await pretendDone('s3');
  const retention = connectDatabase({
    url: urlAs('retention', rig.url),
    application: 'test',
    maxConnections: 1,
    statementTimeoutMs: 20_000,
  });
  for (const level of ['repeatable read', 'serializable']) {
    const dropping = retention.sql.begin(`isolation level ${level}`, async (tx) => {
      await tx`select count(*) from auditbox.audit_log`;
      await rig.insert(1, at);
      await tx`select auditbox.close_month(${month.name})`;
      await tx`select auditbox.drop_month(${month.name}, 's3')`;
    });
    await expect(dropping).rejects.toMatchObject({ code: '25000' });
  }
  await closeMonth(retention, month);
  const dropping = retention.sql.begin(
    'isolation level repeatable read',
    (tx) => tx`select auditbox.drop_month(${month.name}, 's3')`,
  );
  await expect(dropping).rejects.toMatchObject({ code: '25000' });
  expect(await dropMonth(retention, month, 's3')).toBe(false);
  await retention.close(1_000);
});

test('no batch is made by a snapshot from before the batches of others', async () => {
  await makeMonths(rig.db, [at]);
  await rig.insert(3, at);
  for (const level of ['repeatable read', 'serializable'])
    await expect(
      exporter.sql.begin(`isolation level ${level}`, (tx) => tx`select auditbox.seal('hour', 10, 100000, 0, 10)`),
    ).rejects.toMatchObject({ code: '25000' });
  await expect(
    exporter.sql.begin('isolation level repeatable read', (tx) => tx`select auditbox.repair_frontier()`),
  ).rejects.toMatchObject({ code: '25000' });
  expect(await sealBatches(exporter, limits)).toMatchObject({ rows: 3 });
});
