import { sealBatches } from '@auditbox/db/export/seal-batches.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { limits, type OutboxFixture, openOutbox } from '@auditbox/testing/fixtures/outbox-fixture.ts';
import fc from 'fast-check';
import postgres, { type Sql } from 'postgres';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { orders, type Scene } from './seal-orders.ts';

/* The seal that Citus runs, on plain Postgres. In most tests it stands in the place of the other one. */

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
  // As in our sessions. Compiling both seals again for each call needs half a second.
  const connection: Record<string, string> = { jit: 'off' };
  const sql = postgres(outbox.url, { max: 1, fetch_types: false, onnotice: () => {}, connection });
  sessions.push(sql);
  await sql.unsafe('begin');
  return sql;
}

const seal = (changed: Partial<typeof limits> = {}) => sealBatches(outbox.db, { ...limits, ...changed });
const insertBy = (sql: Sql, rows = 1) => outbox.insert(rows, undefined, sql);
const clean = { lost: [], doubled: [] };

/** Puts the seal in steps in the place of `auditbox.seal`, with changes of its text. */
async function replaceSeal(...changes: readonly (readonly [from: string, to: string])[]): Promise<void> {
  const [row] = await outbox.db.sql<[{ text: string }]>`
    select pg_get_functiondef('auditbox.seal_in_steps'::regproc) as text`;
  let text = row.text.replace('auditbox.seal_in_steps(', 'auditbox.seal(');
  for (const [from, to] of changes) {
    expect(text.split(from), from).toHaveLength(2);
    text = text.replace(from, to);
  }
  await outbox.db.sql.unsafe(text);
}

/** As many calls as the seal in one statement needs one for: a gap is noted by the call after the one that found it. */
const scene = (): Scene => ({
  begin,
  insert: outbox.insert,
  insertBy,
  seal: async (changed) => {
    await seal(changed);
    await seal(changed);
  },
});

test.each(Object.entries(orders))('no row is lost to %s', async (_name, order) => {
  await replaceSeal();
  await order(scene());
  await eventually(async () => {
    await outbox.sealAll();
    expect(await outbox.frontier()).toMatchObject({ gaps: '{}', closing: '{}' });
  });
  expect(await outbox.faults()).toEqual(clean);
});

test.each([
  [
    'one generation of gaps',
    orders.aYoungerGap,
    'when not is_over then f.closing * next_gaps - r.visible',
    'when not is_over then f.gaps * next_gaps - r.visible',
  ],
  ['closing without looking', orders.aRowThatWaits, 'f.closing * r.looked_up - r.visible else', 'f.closing else'],
  [
    'closing what the limit cut off',
    orders.moreThanOneLook,
    'f.closing * r.looked_up - r.visible else',
    'f.closing - r.visible else',
  ],
  [
    'sealing up to the greatest id seen',
    orders.aLateCommit,
    `then int8multirange(int8range(f.sealed_up_to, r.sealed_up_to, '(]')) else`,
    `then '{}'::int8multirange else`,
  ],
])('a seal in steps with %s loses rows, which these tests notice', async (_name, order, from, to) => {
  await replaceSeal([from, to]);
  await eventually(async () => {
    await order(scene());
    await outbox.sealAll();
    expect((await outbox.faults()).lost).not.toEqual([]);
  });
});

/** A row of a transaction that began between the lock and the reading of the rows, so that its id is higher than the sealer's. */
async function aWriterBetweenTheSteps(): Promise<void> {
  const gate = await begin();
  await gate`select pg_advisory_xact_lock(19)`;
  await outbox.insert(1);
  const sealing = seal();
  await eventually(async () => {
    const waiting = await outbox.db.sql`
      select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    expect(waiting).toHaveLength(1);
  });
  const late = await begin();
  await insertBy(late);
  await outbox.insert(1);
  await gate.unsafe('commit');
  await sealing;
  for (let n = 0; n < 3; n += 1) await seal();
  await late.unsafe('commit');
}

const gateBetween = [
  '  -- What auditbox.seal reads',
  '  perform pg_advisory_xact_lock(19);\n  -- What auditbox.seal reads',
] as const;

test('no row is lost to a writer whose transaction began between the steps', async () => {
  await replaceSeal(gateBetween);
  await aWriterBetweenTheSteps();
  await outbox.sealAll();
  expect(await outbox.faults()).toEqual(clean);
});

test('a seal that notes every gap that it found itself loses such a row, which this test notices', async () => {
  await replaceSeal(gateBetween, ['when may_note then f.gaps * next_gaps * given', 'when may_note then next_gaps']);
  await eventually(async () => {
    await aWriterBetweenTheSteps();
    await outbox.sealAll();
    expect((await outbox.faults()).lost).not.toEqual([]);
  });
});

test('a caller whose snapshot is older than its lock is refused', async () => {
  await outbox.insert(1);
  for (const level of ['repeatable read', 'serializable'])
    await expect(
      outbox.db.sql.begin(
        `isolation level ${level}`,
        (tx) => tx`select auditbox.seal_in_steps('hour', 10, 1000, 0, 10)`,
      ),
      level,
    ).rejects.toMatchObject({ code: '25000' });
});

test('both seals cut the same rows into the same batches, and leave the same gaps', async () => {
  const row = fc.record({
    hour: fc.nat({ max: 3 }),
    tenant: fc.constantFrom('', 'acme', 'zoë'),
    size: fc.constantFrom(1, 400),
    isAborted: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
  });
  type Row = typeof row extends fc.Arbitrary<infer T> ? T : never;
  const rows = fc.array(row, { minLength: 1, maxLength: 12 });
  const calls = fc.record({
    grain: fc.constantFrom('hour', 'day'),
    maxRows: fc.constantFrom(1, 2, 3, 10),
    maxBytes: fc.constantFrom(1, 1_500, 1_000_000),
    lingerMs: fc.constantFrom(0, 3_600_000),
    maxBatches: fc.constantFrom(1, 2, 100),
    byTenant: fc.boolean(),
  });
  type Call = typeof calls extends fc.Arbitrary<infer T> ? T : never;
  const sql = await begin();
  await sql.unsafe('rollback');
  const write = async ({ hour, tenant, size, isAborted }: Row) => {
    await sql.unsafe('begin');
    await sql`
      insert into auditbox.audit_log (changed_by, action, table_name, object_id, occurred_at, tenant, updated_values)
      values ('ana', 'updated', 't', '1', ${`2026-07-03T0${hour}:00:00Z`}::timestamptz, ${tenant}, to_json(repeat('x', ${size}::int)))`;
    await sql.unsafe(isAborted ? 'rollback' : 'commit');
  };
  const call = async (name: string, { grain, maxRows, maxBytes, lingerMs, maxBatches, byTenant }: Call) => {
    const [result] = await sql`
      select looked, batches, rows::int, more, ripe_in_ms is null as none_waits
      from ${sql.unsafe(name)}(${grain}, ${maxRows}::int, ${maxBytes}::bigint, ${lingerMs}::float8, ${maxBatches}::int, ${byTenant})`;
    const batches = await sql`
      select partition, outbox_ids::text, row_count, first_occurred_at, last_occurred_at, first_recorded_at, tenant,
        (select array_agg(destination) from auditbox.delivery d where d.batch_id = b.id) as destinations
      from auditbox.batch b order by id`;
    const frontier = await sql`select sealed_up_to, gaps::text from auditbox.frontier`;
    return { result, batches: [...batches], frontier: [...frontier] };
  };
  // Transactions of all databases of the server hold gaps open. One of another test may end between the two calls.
  const isOver = async () => {
    const [frontier] = await sql<[{ answer: boolean | null }]>`
      select pg_snapshot_xmin(pg_current_snapshot()) >= closing_xid as answer from auditbox.frontier`;
    return frontier.answer;
  };
  const callBoth = async (one: Call) => {
    const before = await isOver();
    await sql.unsafe('begin');
    const whole = await call('auditbox.seal', one);
    await sql.unsafe('rollback; begin');
    const inSteps = await call('auditbox.seal_in_steps', one);
    await sql.unsafe('rollback');
    return { whole, inSteps, areComparable: (await isOver()) === before };
  };
  await fc.assert(
    fc.asyncProperty(rows, calls, async (some, one) => {
      for (const row of some) await write(row);
      let both = await callBoth(one);
      // What is over stays over, so this ends.
      while (!both.areComparable) both = await callBoth(one);
      expect(both.inSteps).toEqual(both.whole);
      await call('auditbox.seal', one);
    }),
    { numRuns: 60, seed: 19 },
  );
  expect((await outbox.faults()).doubled).toEqual([]);
});
