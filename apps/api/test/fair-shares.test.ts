import { randomUUID } from 'node:crypto';
import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { workFor } from '@auditbox/db/database/holder.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type ApiFixture, createApiFixture } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createArchiveStore } from '../src/archive/archive-store.ts';
import { awaitTurn } from '../src/http/long-work.ts';
import { createHeldCoalescer } from './held-coalescer.ts';

/* What all callers share is given out in shares: no single key can take all of it. */

let api: ApiFixture;
let blocker: Database;
let loud: string;
let quiet: string;
beforeAll(async () => {
  api = await createApiFixture({ HTTP_BYTES_IN_FLIGHT_PER_KEY: '1000000000', HTTP_BYTES_IN_FLIGHT: '1000000000' });
  blocker = connectDatabase({
    url: api.db.url,
    application: 'blocker',
    maxConnections: 1,
    statementTimeoutMs: 60_000,
  });
  for (const month of ['2026-01', '2026-02'])
    await api.db.sql`select auditbox.make_month(${`${month}-15`}::timestamptz)`;
  await api.db.store([anEvent({ updated_at: '2026-02-03T00:00:00Z', object_id: 'quiet' })]);
  const makeKey = async () => {
    const made = await api.request('/keys', { body: { name: randomUUID(), scopes: ['read', 'write'] } });
    expect(made.status, made.text).toBe(201);
    return made.body.key as string;
  };
  [loud, quiet] = [await makeKey(), await makeKey()];
});
afterAll(async () => {
  await blocker.close(1_000);
  await api.close();
});

/** How many statements wait for the lock. */
async function countBlocked(): Promise<number> {
  const [row] = await api.db.sql<[{ n: number }]>`
    select count(*)::int as n from pg_stat_activity
    where wait_event_type = 'Lock' and datname = current_database() and application_name like 'auditbox api%'`;
  return row.n;
}

/** Does the work while a transaction of somebody else holds a lock. */
async function whileHeld<T>(lock: (sql: Database['sql']) => PromiseLike<unknown>, work: () => Promise<T>): Promise<T> {
  const { promise: end, resolve: release } = Promise.withResolvers<void>();
  const { promise: held, resolve: reportHeld } = Promise.withResolvers<void>();
  const transaction = blocker.sql.begin(async (tx) => {
    await lock(tx as unknown as Database['sql']);
    reportHeld();
    await end;
  });
  await held;
  try {
    return await work();
  } finally {
    release();
    await transaction;
  }
}

/** Requests of the loud key that cannot end yet, and how many of them have ended. */
function sendLoud(count: number, send: () => Promise<{ status: number }>) {
  const state = { ended: 0 };
  const answers = Array.from({ length: count }, () =>
    send().then((answer) => {
      // An answer that there is no place to wait for this key is given at once.
      if (answer.status !== 503) state.ended += 1;
      return answer;
    }),
  );
  return { state, answers };
}

test('a single event and a batch are stored while forty batches of another key wait for the database', async () => {
  const taken = anEvent();
  const { answers } = await whileHeld(
    (tx) => tx`
      insert into auditbox.audit_log (id, changed_by, action, table_name, object_id)
      values (${taken.id as string}::uuid, 'ana', 'created', 't', '1')`,
    async () => {
      const { state, answers } = sendLoud(40, () => api.request('/audit/batch', { key: loud, body: [taken] }));
      await eventually(async () => expect(await countBlocked()).toBeGreaterThanOrEqual(5));
      expect((await api.request('/audit', { key: quiet, body: anEvent() })).status).toBe(201);
      expect((await api.request('/audit/batch', { key: quiet, body: someEvents(2) })).status).toBe(201);
      expect(state.ended).toBe(0);
      return { answers };
    },
  );
  await Promise.all(answers);
});

test('feeds by a place in values leave the other reads of the same key alone', async () => {
  await api.db.store([anEvent({ updated_at: '2026-01-03T00:00:00Z' })]);
  const list = () => api.request('/audit?page_size=1&start_date=2026-02-01&end_date=2026-02-20', { key: loud });
  expect((await list()).status).toBe(200);
  const { answers } = await whileHeld(
    (tx) => tx`lock table auditbox.audit_log_2026_01 in access exclusive mode`,
    async () => {
      const { state, answers } = sendLoud(20, () =>
        api.request('/audit?recorded_after=2026-01-01&cursor=&updated_values.a=1', { key: loud }),
      );
      await eventually(async () => expect(await countBlocked()).toBeGreaterThanOrEqual(1));
      for (let turn = 0; turn < 3; turn += 1) expect((await list()).status).toBe(200);
      expect(state.ended).toBe(0);
      return { answers };
    },
  );
  await Promise.all(answers);
});

test.each([
  ['lists', '/audit?page_size=1', 8],
  ['counts', '/audit/stats?interval=day&group_by=action', 2],
  ['searches without an index', '/audit?q=anything', 1],
  ['exports', '/audit/export?format=csv', 8],
])('%s are answered while a hundred and fifty of another key wait for the database', async (_name, path, share) => {
  const read = (key: string, month: string) =>
    api.request(`${path}${path.includes('?') ? '&' : '?'}start_date=${month}-01&end_date=${month}-20`, { key });
  // What is remembered for a minute is read before the lock.
  expect((await read(quiet, '2026-02')).status).toBe(200);
  const { answers } = await whileHeld(
    (tx) => tx`lock table auditbox.audit_log_2026_01 in access exclusive mode`,
    async () => {
      const { state, answers } = sendLoud(150, () => read(loud, '2026-01'));
      await eventually(async () => expect(await countBlocked()).toBeGreaterThanOrEqual(share));
      for (let turn = 0; turn < 3; turn += 1) expect((await read(quiet, '2026-02')).status).toBe(200);
      expect(state.ended).toBe(0);
      return { answers };
    },
  );
  await Promise.all(answers);
});

test('a key whose events wait in front of those of others gets no more of a statement than they get', async () => {
  const { statements, write } = createHeldCoalescer();
  const written = [...Array.from({ length: 40 }, () => write('loud')), write('b'), write('c'), write('b')];
  const ended = Promise.allSettled(written);
  await eventually(() => expect(statements).toHaveLength(1));
  expect(statements[0]?.names.filter((name) => name !== 'loud').sort()).toEqual(['b', 'b', 'c']);
  for (let at = 0; at < 5; at += 1) {
    await eventually(() => expect(statements.length).toBeGreaterThan(at));
    statements[at]?.end();
  }
  await ended;
});

test('a key may fill half of the queue of events, and then another one is still taken', async () => {
  for (const [limits, length] of [
    [{ maxWaiting: 100 }, 0],
    [{ maxWaitingBytes: 100_000, maxWaiting: 1_000 }, 500],
  ] as const) {
    const { statements, write } = createHeldCoalescer(limits);
    let refused = 0;
    const loudly = Array.from({ length: 200 }, () =>
      write('loud', length).catch(({ code }) => {
        if (code === 'DATABASE_BUSY') refused += 1;
      }),
    );
    const other = write('quiet', length).catch(({ message }) => message);
    await eventually(() => expect(refused).toBeGreaterThanOrEqual(90));
    for (let at = 0; at < 20; at += 1) {
      await eventually(() => expect(statements.length).toBeGreaterThan(at));
      statements[at]?.end();
      if (at === 0) expect(await other).toBe('ended');
      if (statements.flatMap(({ names }) => names).length === 201 - refused) break;
    }
    await Promise.all(loudly);
  }
});

test('long work of one key takes turns with the long work of another', async () => {
  const order: string[] = [];
  const work = (holder: string) => workFor(holder, () => awaitTurn()).then(() => void order.push(holder));
  await Promise.all([...Array.from({ length: 50 }, () => work('loud')), work('b'), work('c'), work('b')]);
  expect(order.slice(0, 6).sort()).toEqual(['b', 'b', 'c', 'loud', 'loud', 'loud']);
});

test('reads of the archive of one key leave a turn and places to wait to others', async () => {
  const archive = createArchiveStore({} as Parameters<typeof createArchiveStore>[0]);
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  const loudly = Array.from({ length: 30 }, () =>
    workFor('loud', () => archive.inTurn(() => held)).then(
      () => 200,
      ({ status }) => status,
    ),
  );
  expect(await workFor('quiet', () => archive.inTurn(async () => 'read'))).toBe('read');
  release();
  const statuses = await Promise.all(loudly);
  expect([
    statuses.filter((status) => status === 200).length,
    statuses.filter((status) => status === 503).length,
  ]).toEqual([11, 19]);
});

test('large events of many keys all get into a statement, each within a few', async () => {
  const { statements, write } = createHeldCoalescer({ maxBytesPerFlush: 40_000 });
  const names = Array.from({ length: 8 }, (_, n) => `key-${n}`);
  const written = Promise.allSettled(
    names.flatMap((name) => [write(name, 9_000), write(name, 9_000), write(name, 9_000)]),
  );
  for (let at = 0; at < 6; at += 1) {
    await eventually(() => expect(statements.length).toBeGreaterThan(at));
    statements[at]?.end();
  }
  await written;
  expect(new Set(statements.slice(0, 2).flatMap(({ names: one }) => one))).toEqual(new Set(names));
});

test('a large event is in the next statement, however many small ones of its key and of another one wait', async () => {
  const { statements, write } = createHeldCoalescer({ maxBytesPerFlush: 10_000 });
  const written = Promise.allSettled([
    ...Array.from({ length: 30 }, () => write('a')),
    write('b', 9_000, 'large'),
    ...Array.from({ length: 30 }, () => write('b')),
  ]);
  for (let at = 0, stored = 0; stored < 61; at += 1) {
    await eventually(() => expect(statements.length).toBeGreaterThan(at));
    stored += statements[at]?.names.length ?? 0;
    statements[at]?.end();
  }
  await written;
  expect(statements.findIndex(({ names }) => names.includes('large'))).toBe(1);
});
