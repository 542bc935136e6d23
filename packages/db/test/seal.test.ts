import { auditLogStart, outboxStart, reconcileAuditLog, reconcileOutbox } from '@auditbox/db/export/reconcile.ts';
import { sealBatches } from '@auditbox/db/export/seal-batches.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { limits, type OutboxFixture, openOutbox } from '@auditbox/testing/fixtures/outbox-fixture.ts';
import postgres, { type Sql } from 'postgres';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { orders, type Scene } from './seal-orders.ts';

let outbox: OutboxFixture;
let sessions: Sql[];

beforeEach(async () => {
  outbox = await openOutbox();
  sessions = [];
});
afterEach(async () => {
  await Promise.all(sessions.map((sql) => sql.end({ timeout: 1 })));
  await outbox.close();
});

/** A session in an open transaction. */
async function begin(): Promise<Sql> {
  const sql = postgres(outbox.url, { max: 1, fetch_types: false, onnotice: () => {} });
  sessions.push(sql);
  await sql.unsafe('begin');
  return sql;
}

const seal = (changed: Partial<typeof limits> = {}) => sealBatches(outbox.db, { ...limits, ...changed });
const commit = (sql: Sql) => sql.unsafe('commit');
const insertBy = (sql: Sql, rows = 1) => outbox.insert(rows, undefined, sql);
const batches = () => outbox.db.sql`
  select partition, outbox_ids::text as ids, row_count as rows from auditbox.batch order by id`;
const clean = { lost: [], doubled: [] };

/** Seals until no gap is left: one closes only when no older transaction runs anywhere on the server, which tests share. */
const sealUntilClosed = () =>
  eventually(async () => {
    await outbox.sealAll();
    expect(await outbox.frontier()).toMatchObject({ gaps: '{}', closing: '{}' });
  });

/** Changes the text of `seal` in this test's database. */
async function mutate(from: string, to: string): Promise<void> {
  const [row] = await outbox.db.sql<[{ text: string }]>`
    select pg_get_functiondef('auditbox.seal'::regproc) as text`;
  expect(row.text.split(from)).toHaveLength(2);
  await outbox.db.sql.unsafe(row.text.replace(from, to));
}

const scene = (): Scene => ({ begin, insert: outbox.insert, insertBy, seal });

test.each(Object.entries(orders))('no row is lost to %s', async (_name, order) => {
  await order(scene());
  await sealUntilClosed();
  expect(await outbox.faults()).toEqual(clean);
});

test.each([
  [
    'the snapshot’s xmax instead of the sealer’s own transaction id',
    orders.aHigherTransaction,
    'then pg_current_xact_id() else closing_xid end as closing_xid',
    'then pg_snapshot_xmax(pg_current_snapshot()) else closing_xid end as closing_xid',
  ],
  [
    'one generation of gaps',
    orders.aYoungerGap,
    'then closing * looked_up - visible',
    'then gaps * looked_up - visible',
  ],
  ['closing without looking', orders.aRowThatWaits, 'then closing * looked_up - visible', 'then closing'],
  [
    'closing what the limit cut off',
    orders.moreThanOneLook,
    'then closing * looked_up - visible',
    'then closing - visible',
  ],
  [
    'a caller’s older transaction id',
    orders.aCallerThatHasWritten,
    'may_note boolean := pg_current_xact_id_if_assigned() is null',
    'may_note boolean := true',
  ],
  [
    'sealing up to the greatest id seen',
    orders.aLateCommit,
    `then int8multirange(int8range(sealed_up_to, next_sealed_up_to, '(]')) else`,
    `then '{}'::int8multirange else`,
  ],
])('a seal with %s loses rows, which these tests notice', async (_name, order, from, to) => {
  await mutate(from, to);
  // A gap closes only when no older transaction runs anywhere on the server, and other tests share it.
  await eventually(async () => {
    await order(scene());
    await outbox.sealAll();
    expect((await outbox.faults()).lost).not.toEqual([]);
  });
});

test('a sealer whose snapshot is older than the batches of another one repeats none of them', async () => {
  // It waits for the lock with its snapshot taken, where the real one would skip.
  await mutate('from auditbox.frontier for update skip locked', 'from auditbox.frontier for update');
  await outbox.insert(5);
  const other = await begin();
  await other`select auditbox.seal('hour', 3, 1000000, 0, 1)`;
  const sealing = seal();
  const held = async () => {
    const waiting = await outbox.db.sql`
      select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    return waiting.length > 0;
  };
  while (!(await held()));
  await outbox.insert(4);
  await commit(other);
  await sealing;
  await outbox.sealAll();
  expect(await outbox.faults()).toEqual(clean);
});

test('two sealers at once: the second looks at nothing', async () => {
  await outbox.insert(5);
  const other = await begin();
  await other`select auditbox.seal('hour', 10, 1000000, 0, 10)`;
  expect(await seal()).toMatchObject({ looked: false, batches: 0 });
  await commit(other);
});

test('the table refuses an id in two batches, whatever the sealer does', async () => {
  await mutate('from auditbox.frontier for update skip locked', 'from auditbox.frontier');
  await outbox.insert(5);
  const other = await begin();
  await other`select auditbox.seal('hour', 10, 1000000, 0, 10)`;
  const sealing = seal().catch((error) => error);
  await commit(other);
  await sealing;
  await outbox.sealAll();
  expect(await outbox.faults()).toEqual(clean);
});

test('whatever writers and sealers do at once, each row gets into exactly one batch', async () => {
  let state = 20_261_126;
  const random = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const rest = () => new Promise((resolve) => setTimeout(resolve, random(8)));
  const hour = () => `2026-07-03T0${random(3)}:00:00Z`;
  let writing = true;
  let written = 0;
  const write = async () => {
    const sql = await begin();
    await sql.unsafe('rollback');
    for (let n = 0; n < 12; n += 1) {
      await sql.unsafe('begin');
      let kept = 0;
      for (let part = random(3); part >= 0; part -= 1) {
        await sql.unsafe('savepoint s');
        const rows = 1 + random(6);
        await outbox.insert(rows, hour(), sql);
        if (random(4) === 0) await sql.unsafe('rollback to s');
        else kept += rows;
        await rest();
      }
      const isAborted = random(5) === 0;
      await sql.unsafe(isAborted ? 'rollback' : 'commit');
      if (!isAborted) written += kept;
    }
  };
  const sealer = async () => {
    while (writing) await seal({ lingerMs: random(2) * 20 });
  };
  const sealers = [sealer(), sealer()];
  await Promise.all(Array.from({ length: 8 }, write));
  writing = false;
  await Promise.all(sealers);
  await sealUntilClosed();
  expect(await outbox.faults()).toEqual(clean);
  const wrong = await outbox.db.sql`
    select b.id from auditbox.batch b join auditbox.outbox o on b.outbox_ids @> o.id
    group by b.id having b.row_count <> count(*) or b.row_count > 10
      or min(o.occurred_at) <> b.first_occurred_at or max(o.occurred_at) <> b.last_occurred_at
      or min(to_char(o.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24')) <> b.partition
      or max(to_char(o.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24')) <> b.partition`;
  expect(wrong).toEqual([]);
  const [sum] = await outbox.db.sql`select sum(row_count)::int as rows from auditbox.batch`;
  expect(sum).toEqual({ rows: written });
});

test('a batch has at most maxRows rows of one partition, and a call makes at most maxBatches, the oldest rows first', async () => {
  for (const hour of [5, 4, 3]) await outbox.insert(7, `2026-07-03T0${hour}:00:00Z`);
  expect(await seal({ maxBatches: 2 })).toMatchObject({ batches: 2, rows: 14 });
  expect(await batches()).toEqual([
    { partition: '2026-07-03T05', ids: '{[1,8)}', rows: 7 },
    { partition: '2026-07-03T04', ids: '{[8,15)}', rows: 7 },
  ]);
  await outbox.insert(25, '2026-07-03T03:00:00Z');
  await outbox.sealAll();
  expect((await batches()).slice(2).map(({ rows }) => rows)).toEqual([10, 10, 10, 2]);
});

test('a day is one partition when the grain is a day, and another grain is refused', async () => {
  for (const hour of [5, 4, 3]) await outbox.insert(1, `2026-07-03T0${hour}:00:00Z`);
  await outbox.sealAll({ grain: 'day' });
  expect(await batches()).toEqual([{ partition: '2026-07-03', ids: '{[1,4)}', rows: 3 }]);
  await outbox.insert(1);
  await expect(outbox.db.sql`select auditbox.seal('month', 1, 1, 0, 1)`).rejects.toMatchObject({ code: '22023' });
});

test('by tenant, a batch holds one tenant of one partition and says whose, whatever the order of the rows', async () => {
  const tenants = ['acme', 'other', ''];
  for (let n = 0; n < 4; n += 1)
    for (const tenant of tenants)
      for (const hour of [3, 4])
        await outbox.db.sql`
          insert into auditbox.audit_log (changed_by, action, table_name, object_id, occurred_at, tenant)
          values ('ana', 'updated', 't', '1', ${`2026-07-03T0${hour}:00:00Z`}::timestamptz, ${tenant})`;
  await outbox.sealAll({ byTenant: true, maxRows: 100 });
  const made = await outbox.db.sql`
    select b.partition, b.tenant, b.row_count as rows, json_agg(distinct a.tenant) as held, count(*)::int as found
    from auditbox.batch b cross join unnest(b.outbox_ids) ids
    join auditbox.outbox o on o.id >= lower(ids) and o.id < upper(ids) join auditbox.audit_log a on a.id = o.audit_id
    group by b.id order by b.partition, b.tenant`;
  expect(made).toEqual(
    [3, 4].flatMap((hour) =>
      tenants
        .toSorted()
        .map((tenant) => ({ partition: `2026-07-03T0${hour}`, tenant, rows: 4, held: [tenant], found: 4 })),
    ),
  );
  await outbox.insert(2);
  await outbox.sealAll();
  expect((await outbox.db.sql`select tenant from auditbox.batch where tenant is null`).length).toBe(1);
  expect(await outbox.faults()).toEqual(clean);
});

test('rows of more hours than a call reads do not keep newer rows waiting for the linger', async () => {
  for (let hour = 0; hour < 24; hour += 1) await outbox.insert(1, `2026-07-03T${String(hour).padStart(2, '0')}:00:00Z`);
  const lingering = { lingerMs: 3_600_000, maxBatches: 100 };
  // The first call reads 20 rows, which may wait. The second finds no room for newer ones.
  expect(await seal(lingering)).toMatchObject({ rows: 0, more: true });
  expect(await seal(lingering)).toMatchObject({ rows: 20 });
  // Four rows may wait now: there is room for others.
  expect(await seal(lingering)).toMatchObject({ rows: 0, more: false });
  expect(await seal(lingering)).toMatchObject({ rows: 0, more: false });
  await outbox.sealAll();
  expect(await outbox.faults()).toEqual(clean);
});

test('rows are cut by bytes, many batches in one call, and a row that is too large gets a batch to itself', async () => {
  await outbox.insert(12);
  const [{ bytes }] = await outbox.db.sql<[{ bytes: number }]>`select min(bytes) as bytes from auditbox.outbox`;
  const maxBytes = bytes * 3 + 100;
  expect((await seal({ maxRows: 12, maxBytes })).batches).toBeGreaterThanOrEqual(3);
  await outbox.db.sql`
    insert into auditbox.audit_log (changed_by, action, table_name, object_id, occurred_at, updated_values)
    values ('ana', 'updated', 't', 'large', '2026-07-03T01:00:00Z', to_json(repeat('x', 5000)))`;
  await outbox.insert(2);
  await outbox.sealAll({ maxRows: 12, maxBytes });
  const wrong = await outbox.db.sql`
    select b.id from auditbox.batch b join auditbox.outbox o on b.outbox_ids @> o.id
    group by b.id having sum(o.bytes) > ${maxBytes} and count(*) > 1`;
  expect(wrong).toEqual([]);
  expect(await outbox.faults()).toEqual(clean);
});

test('a row waits for company no longer than the linger, and a call says how long', async () => {
  await outbox.insert(3);
  const waiting = await seal({ lingerMs: 60_000 });
  expect(waiting).toMatchObject({ batches: 0, more: false });
  expect(waiting.ripeInMs).toBeGreaterThan(0);
  expect(waiting.ripeInMs).toBeLessThanOrEqual(60_000);
  await outbox.insert(7);
  expect(await seal({ lingerMs: 60_000 })).toMatchObject({ batches: 1, rows: 10, ripeInMs: null });
});

test('a row that was recorded in the future is sealed at once', async () => {
  await outbox.db.sql`
    insert into auditbox.outbox (audit_id, occurred_at, recorded_at, bytes)
    values (gen_random_uuid(), now(), now() + interval '1 day', 100)`;
  expect(await seal({ lingerMs: 60_000 })).toMatchObject({ rows: 1 });
});

test('a call that finds nothing to do writes nothing', async () => {
  await outbox.insert(3);
  await outbox.sealAll();
  const version = () => outbox.db.sql`select xmin::text, xmax::text, ctid::text from auditbox.frontier`;
  const before = await version();
  expect(await seal()).toMatchObject({ looked: true, batches: 0, more: false });
  expect(await version()).toEqual(before);
});

test('a gap of a thousand million ids is closed like any other', async () => {
  await outbox.insert(1);
  await outbox.db.sql`select setval('auditbox.outbox_id_seq', 1000000000)`;
  await outbox.insert(1);
  await sealUntilClosed();
  expect(await outbox.frontier()).toMatchObject({ sealedUpTo: '1000000001' });
});

test('where transaction ids mean nothing, as in a restored dump, gaps are closed by a generation of this server', async () => {
  await outbox.db.sql`
    update auditbox.frontier set sealed_up_to = 10, gaps = '{[1,10]}', closing = '{[1,10]}', closing_xid = '99999999999'`;
  await outbox.db.sql`select setval('auditbox.outbox_id_seq', 10)`;
  await outbox.insert(1);
  await sealUntilClosed();
  expect(await outbox.frontier()).toMatchObject({ sealedUpTo: '11' });
});

test('rows of 500 hours mixed get one batch for each hour', async () => {
  await outbox.db.sql`
    insert into auditbox.audit_log (changed_by, action, table_name, object_id, occurred_at)
    select 'ana', 'updated', 't', n::text, timestamptz '2026-07-01Z' + n % 500 * interval '1 hour'
    from generate_series(1, 2000) n`;
  await outbox.sealAll({ maxRows: 1_000, maxBatches: 100 });
  expect(await batches()).toHaveLength(500);
  expect(await outbox.faults()).toEqual(clean);
});

test.each(['commit', 'rollback'])('the rows of a prepared transaction stay gaps until its %s', async (end) => {
  const [{ max_prepared_transactions: allowed }] = await outbox.db.sql<[{ max_prepared_transactions: string }]>`
    show max_prepared_transactions`;
  const writer = await begin();
  await insertBy(writer, 2);
  // Servers that allow none get an open transaction, which seal must treat the same.
  if (allowed !== '0') await writer.unsafe("prepare transaction 'writer'");
  await outbox.insert(1);
  for (let n = 0; n < 4; n += 1) await seal();
  expect(await outbox.frontier()).toMatchObject({ sealedUpTo: '3', gaps: '{[1,3)}' });
  await writer.unsafe(allowed === '0' ? end : `${end} prepared 'writer'`);
  await sealUntilClosed();
  expect(await outbox.faults()).toEqual(clean);
  const [sum] = await outbox.db.sql`select sum(row_count)::int as rows from auditbox.batch`;
  expect(sum).toEqual({ rows: end === 'commit' ? 3 : 1 });
});

/* A frontier that somebody changed by hand. */

async function reconcileAll(maxRows = 4): Promise<number> {
  let lost = 0;
  for (let behind: string | null = outboxStart; behind !== null; ) {
    const block = await reconcileOutbox(outbox.db, behind, maxRows);
    lost += block.lostRows;
    behind = block.next;
  }
  return lost;
}

test.each([
  ['is too low', 'update auditbox.frontier set sealed_up_to = 3'],
  ['is zero', "update auditbox.frontier set sealed_up_to = 0, gaps = '{}', closing = '{}'"],
  ['has gaps that are in batches', "update auditbox.frontier set gaps = '{[4,5]}', closing = '{}'"],
  ['lost its row', 'delete from auditbox.frontier'],
])(
  'a frontier that %s is made anew by the next seal, with the rows that are still to commit',
  async (_name, change) => {
    const late = await begin();
    await insertBy(late, 2);
    await outbox.insert(7);
    await outbox.sealAll().catch(() => {});
    await outbox.db.sql.unsafe(change);
    await outbox.insert(3);
    const sealed = [await seal(), await seal()];
    expect(sealed.map(({ repaired }) => repaired)).toContain(true);
    await commit(late);
    await sealUntilClosed();
    expect(await outbox.faults()).toEqual(clean);
  },
);

test('rows behind a frontier that is too high are found block by block, counted, and sealed', async () => {
  await outbox.insert(10);
  await outbox.sealAll();
  await outbox.insert(6);
  await outbox.db.sql`update auditbox.frontier set sealed_up_to = 16`;
  await outbox.sealAll();
  expect((await outbox.faults()).lost).toHaveLength(6);
  expect(await reconcileAll()).toBe(6);
  expect(await reconcileAll()).toBe(0);
  await outbox.sealAll();
  expect(await outbox.faults()).toEqual(clean);
});

test('a frontier ahead of every id given out comes back, before rows are written behind it', async () => {
  await outbox.insert(10);
  await outbox.sealAll();
  await outbox.db.sql`update auditbox.frontier set sealed_up_to = 1000000`;
  await reconcileAll();
  await outbox.insert(4);
  await outbox.sealAll();
  expect(await outbox.faults()).toEqual(clean);
});

test('an event without an outbox row gets one, and the next seal takes it', async () => {
  await outbox.db.sql`alter table auditbox.audit_log disable trigger audit_log_to_outbox`;
  await outbox.insert(5);
  await outbox.db.sql`alter table auditbox.audit_log enable always trigger audit_log_to_outbox`;
  await outbox.insert(3);
  let restored = 0;
  for (let behind: typeof auditLogStart | null = auditLogStart; behind !== null; ) {
    const block = await reconcileAuditLog(outbox.db, behind, 3);
    expect(block.conflictingRows).toBe(0);
    restored += block.restoredRows;
    behind = block.next;
  }
  expect(restored).toBe(5);
  await outbox.sealAll();
  const [sum] = await outbox.db.sql`select sum(row_count)::int as rows from auditbox.batch`;
  expect(sum).toEqual({ rows: 8 });
});
