import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { createFairTurns } from '@auditbox/db/database/fair-turns.ts';
import { workFor, workForAll } from '@auditbox/db/database/holder.ts';
import { queueStatements } from '@auditbox/db/database/queue-statements.ts';
import { runWide } from '@auditbox/db/queries/windows.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { createTestDatabase } from '@auditbox/testing/servers/template-database.ts';
import { afterAll, afterEach, beforeAll, expect, inject, test, vi } from 'vitest';

let db: Database;
/** Holds the lock that a statement under test waits for. */
let holder: Database;
beforeAll(async () => {
  const url = await createTestDatabase(inject('databaseServer'));
  db = connectDatabase({ url, application: 'queued', maxConnections: 3, statementTimeoutMs: 20_000 });
  holder = connectDatabase({ url, application: 'holder', maxConnections: 1, statementTimeoutMs: 20_000 });
});
afterEach(() => vi.useRealTimers());
afterAll(() => Promise.all([db.close(1_000), holder.close(1_000)]));

/** A statement that runs until `unlock` is called. */
async function runUntilUnlocked(queue: Database) {
  await holder.sql`select pg_advisory_lock(1)`;
  const ended = queue.query((sql) => sql`select pg_advisory_xact_lock(1)`);
  await eventually(async () =>
    expect(await holder.sql`select 1 from pg_locks where locktype = 'advisory' and not granted`).toHaveLength(1),
  );
  return { ended, unlock: () => holder.sql`select pg_advisory_unlock(1)` };
}

test('statements run in the order of their calls, as many as may, and one beyond the queue is busy', async () => {
  const queue = queueStatements(db, { running: 1, runningEach: 1, waiting: 2, waitingEach: 2, waitMs: 20_000 });
  const { ended, unlock } = await runUntilUnlocked(queue);
  const order: number[] = [];
  const next = [1, 2].map((n) => queue.query((sql) => sql`select 1`).then(() => order.push(n)));
  await expect(queue.query((sql) => sql`select 1`)).rejects.toMatchObject({ code: 'DATABASE_BUSY' });
  expect(order).toEqual([]);
  await unlock();
  await Promise.all([ended, ...next]);
  expect(order).toEqual([1, 2]);
});

test('a statement that has waited too long is busy and is not sent, and the others go on', async () => {
  const queue = queueStatements(db, { running: 1, runningEach: 1, waiting: 2, waitingEach: 2, waitMs: 100 });
  const { ended, unlock } = await runUntilUnlocked(queue);
  let isSent = false;
  const late = queue.query((sql) => {
    isSent = true;
    return sql`select 1`;
  });
  await expect(late).rejects.toMatchObject({ code: 'DATABASE_BUSY', kind: 'busy' });
  await unlock();
  await ended;
  expect(await queue.query((sql) => sql`select 1 as one`)).toEqual([{ one: 1 }]);
  expect(isSent).toBe(false);
});

test('a holder has a share of the connections and of the places to wait, and another one gets the next turn', async () => {
  const queue = queueStatements(db, { running: 2, runningEach: 1, waiting: 4, waitingEach: 2, waitMs: 20_000 });
  const { ended, unlock } = await workFor('loud', () => runUntilUnlocked(queue));
  const order: string[] = [];
  const select = (holder: string) =>
    workFor(holder, () => queue.query((sql) => sql`select 1`)).then(() => void order.push(holder));
  const loud = [select('loud'), select('loud')];
  await expect(select('loud')).rejects.toMatchObject({ code: 'DATABASE_BUSY' });
  // Nothing of the loud one has ended.
  await select('quiet');
  expect(order).toEqual(['quiet']);
  await unlock();
  await Promise.all([ended, ...loud]);
});

test('holders get turns one after the other, however many statements of one wait', async () => {
  const queue = queueStatements(db, { running: 1, runningEach: 1, waiting: 100, waitingEach: 50, waitMs: 20_000 });
  const { ended, unlock } = await workFor('loud', () => runUntilUnlocked(queue));
  const order: string[] = [];
  const select = (holder: string) =>
    workFor(holder, () => queue.query((sql) => sql`select 1`)).then(() => void order.push(holder));
  const all = [...Array.from({ length: 20 }, () => select('loud')), select('b'), select('b'), select('c')];
  await unlock();
  await Promise.all([ended, ...all]);
  expect(order.slice(0, 6).sort()).toEqual(['b', 'b', 'c', 'loud', 'loud', 'loud']);
});

test('of two holders with as much work that runs, the next turn is that of the one that was served longest ago', async () => {
  const turns = createFairTurns({ running: 3, runningEach: 2, waiting: 4, waitingEach: 4, waitMs: 20_000 });
  const served: string[] = [];
  const begin = (holder: string) => {
    const { promise, resolve: end } = Promise.withResolvers<void>();
    const ended = workFor(holder, () =>
      turns.run(() => {
        served.push(holder);
        return promise;
      }),
    );
    return { end, ended };
  };
  const all = ['first', 'second', 'first', 'first', 'second'].map(begin);
  expect(served).toEqual(['first', 'second', 'first']);
  all[2]?.end();
  await eventually(() => expect(served).toHaveLength(4));
  expect(served.at(-1)).toBe('second');
  for (const { end } of all) end();
  await Promise.all(all.map(({ ended }) => ended));
});

test('work whose result several holders get counts for none of them', async () => {
  const queue = queueStatements(db, { running: 2, runningEach: 1, waiting: 4, waitingEach: 2, waitMs: 20_000 });
  const { ended, unlock } = await workFor('loud', () => runUntilUnlocked(queue));
  expect(await workFor('loud', () => workForAll(() => queue.query((sql) => sql`select 1 as one`)))).toEqual([
    { one: 1 },
  ]);
  await unlock();
  await ended;
});

test('a statement over all months waits for one of another holder that runs until its deadline', async () => {
  vi.useFakeTimers();
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  const slow = workFor('loud', () => runWide(() => held));
  const next = workFor('quiet', () => runWide(async () => 'read'));
  // 10 s until it gets a connection, and 15 s until its deadline.
  await vi.advanceTimersByTimeAsync(25_000);
  release();
  expect(await next).toBe('read');
  await slow;
});
