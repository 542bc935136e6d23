import { connectDatabase } from '@auditbox/db/database/connect.ts';
import { getEvent } from '@auditbox/db/events/get-event.ts';
import { pruneOutbox } from '@auditbox/db/export/prune-outbox.ts';
import { sealBatches, sealStatement } from '@auditbox/db/export/seal-batches.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

let db: TestDatabase;
const limits = { grain: 'hour', maxRows: 10, maxBytes: 1_000_000, lingerMs: 0, maxBatches: 4 } as const;

beforeEach(async () => {
  db = await openTestDatabase();
});
afterEach(() => db.close(1_000));

test('whatever sealers and writers do at once, a batch counts exactly the rows that name it', async () => {
  let writing = true;
  const write = async () => {
    for (let n = 0; n < 20; n += 1) await db.store(someEvents(7, { updated_at: `2026-07-03T0${n % 6}:00:00Z` }));
  };
  const seal = async () => {
    while (writing || (await sealBatches(db, limits)).batches > 0) await sealBatches(db, limits);
  };
  const sealers = [seal(), seal(), seal(), seal()];
  await Promise.all([write(), write(), write()]);
  writing = false;
  await Promise.all(sealers);
  // A sealer that found the gate closed may have ended last.
  while ((await sealBatches(db, limits)).batches > 0);
  expect(await db.states()).toEqual({ sealed: 420 });
  const wrong = await db.sql`
    select b.id from export_batch b left join outbox o on o.batch_id = b.id
    group by b.id having b.row_count <> count(o.id) or b.row_count > 10
      or min(to_char(o.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24')) <> b.partition
      or max(to_char(o.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24')) <> b.partition`;
  expect(wrong).toEqual([]);
});

test('one call makes at most maxBatches batches, the oldest rows first', async () => {
  await db.store(Array.from({ length: 9 }, (_, n) => anEvent({ updated_at: `2026-07-0${9 - n}T00:00:00Z` })));
  expect(await sealBatches(db, limits)).toMatchObject({ batches: 4, rows: 4 });
  const partitions = await db.sql<{ partition: string }[]>`select partition from export_batch order by partition desc`;
  expect(partitions.map(({ partition }) => partition)).toEqual([9, 8, 7, 6].map((day) => `2026-07-0${day}T00`));
});

test('the hint of where to look next never passes a row that is still pending', async () => {
  await db.store([
    ...someEvents(3, { updated_at: '2026-07-03T01:00:00Z' }),
    anEvent({ updated_at: '2026-07-03T02:00:00Z' }),
  ]);
  const waiting = { ...limits, maxRows: 3, lingerMs: 86_400_000 };
  const { seenUpTo, batches } = await sealBatches(db, waiting);
  expect(batches).toBe(1);
  const [{ id }] = await db.sql<[{ id: string }]>`select id::text from outbox where batch_id is null`;
  expect(Number(seenUpTo)).toBeLessThan(Number(id));
});

test('only exported rows past retention are pruned; their events stay, and it is known where they are', async () => {
  const [old, recent, pending] = someEvents(3);
  if (!old || !recent || !pending) throw new Error('three events');
  for (const event of [old, recent]) {
    await db.store([event]);
    await sealBatches(db, limits);
  }
  await db.store([pending]);
  await db.sql`update export_batch set state = 'done', object_key = 'k', bytes = 1, object_bytes = 1,
    sha256 = ${'a'.repeat(64)}, exported_at = now() - interval '8 days' where id = (select min(id) from export_batch)`;
  expect(await pruneOutbox(db, 7, 100)).toBe(1);
  expect(await pruneOutbox(db, 7, 100)).toBe(0);
  expect(await db.states()).toEqual({ pending: 1, sealed: 1 });
  expect((await getEvent(db, old.id))?.exported).toEqual({
    state: 'done',
    object_key: 'k',
    sha256: 'a'.repeat(64),
    exported_at: expect.any(String),
  });
});

test('a backlog is sealed in time that grows with its rows, also when statistics say that nothing is pending', async () => {
  const large = { ...limits, maxRows: 10_000, maxBytes: 100_000_000 };
  const insert = (rows: number) => db.sql`
    insert into audit_log (changed_by, action, table_name, object_id, occurred_at)
    select 'load', 'created', 't', n::text, '2026-07-03T01:00:00Z' from generate_series(1, ${rows}) n`;
  await insert(10_000);
  await sealBatches(db, large);
  await db.sql`vacuum analyze outbox`;
  await insert(20_000);
  // By its square, as it once was, this would outlast the statement timeout of 20 seconds.
  expect(await sealBatches(db, large)).toMatchObject({ batches: 1, rows: 10_000 });
  expect(await sealBatches(db, large)).toMatchObject({ batches: 1, rows: 10_000 });
});

test('rows that another sealer took since the snapshot are neither stamped nor counted', async () => {
  await db.store(someEvents(10, { updated_at: '2026-07-03T01:00:00Z' }));
  const { promise: stamped, resolve: tell } = Promise.withResolvers<void>();
  const { promise: go, resolve: letCommit } = Promise.withResolvers<void>();
  const other = db.sql.begin(async (tx) => {
    await tx`update outbox set batch_id = 999 where id in (select id from outbox order by id limit 4)`;
    tell();
    await go;
  });
  await stamped;
  const sealing = sealBatches(db, limits);
  await eventually(async () => {
    const waiting =
      await db.sql`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    expect(waiting).toHaveLength(1);
  });
  letCommit();
  await other;
  expect(await sealing).toMatchObject({ batches: 1, rows: 6 });
  expect(await db.sql`select row_count from export_batch`).toEqual([{ row_count: 6 }]);
  expect(await db.sql`select from outbox where batch_id = 999`).toHaveLength(4);
});

test('a poll finds pending rows by their index alone: beside exported rows, without statistics, when the table was empty', async () => {
  const queue = connectDatabase({
    url: db.url,
    application: 'test',
    maxConnections: 1,
    statementTimeoutMs: 20_000,
    avoidSeqScans: true,
  });
  const expectIndex = async () => {
    const rows = await queue.sql<
      { 'QUERY PLAN': string }[]
    >`explain ${sealStatement(queue.sql, limits, { after: '17' })}`;
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toMatch(/Index (Only )?Scan using outbox_pending on outbox/);
    expect(plan).not.toContain('Seq Scan on outbox');
  };
  await expectIndex();
  await db.sql`vacuum analyze outbox`;
  await expectIndex();
  await db.sql`insert into outbox (audit_id, occurred_at, recorded_at, bytes, batch_id)
    select gen_random_uuid(), now(), now(), 100, 1 from generate_series(1, 100000)`;
  await expectIndex();
  await db.sql`vacuum analyze outbox`;
  await expectIndex();
  await queue.close(1_000);
});
