import { randomUUID } from 'node:crypto';
import { allTenants } from '@auditbox/core/keys/tenant-scope.ts';
import { createFeedEdge } from '@auditbox/db/queries/feed-edge.ts';
import { type FeedPage, findFeedStart, readFeed } from '@auditbox/db/queries/read-feed.ts';
import { type OutboxFixture, openOutbox } from '@auditbox/testing/fixtures/outbox-fixture.ts';
import postgres, { type Sql } from 'postgres';
import { afterEach, beforeEach, expect, test } from 'vitest';

/* A feed gives every event once, whatever transactions, sessions and clocks do. */

let outbox: OutboxFixture;
beforeEach(async () => {
  outbox = await openOutbox();
});
afterEach(() => outbox.close());

/** A poller: `poll` returns the ids of the objects that are new to it. */
function openFeed(limit = 100) {
  const { db } = outbox;
  const feedEdge = createFeedEdge(db);
  let after = 0n;
  return async (): Promise<string[]> => {
    const [{ safe }] = await feedEdge();
    const seen: string[] = [];
    for (let isAtEnd = false; !isAtEnd; ) {
      const page = await readFeed(db, { filter: { tenant: allTenants }, after, upTo: safe, limit });
      seen.push(...page.events.map((event) => (JSON.parse(event.json ?? '') as { object_id: string }).object_id));
      after = page.last;
      isAtEnd = after >= safe;
    }
    return seen;
  };
}

async function write(sql: Sql, objectId: string): Promise<void> {
  await sql`
    insert into auditbox.audit_log (changed_by, action, table_name, object_id) values ('ana', 'updated', 't', ${objectId})`;
}

/** A session outside of the pool. */
async function withSession(work: (sql: Sql) => Promise<void>): Promise<void> {
  const sql = postgres(outbox.url, { max: 1, fetch_types: false, onnotice: () => {} });
  try {
    await work(sql);
  } finally {
    await sql.end();
  }
}

test('events are read in the order of outbox ids, each once', async () => {
  const poll = openFeed(2);
  for (const name of ['a', 'b', 'c', 'd', 'e']) await write(outbox.db.sql, name);
  expect(await poll()).toEqual(['a', 'b', 'c', 'd', 'e']);
  expect(await poll()).toEqual([]);
  await write(outbox.db.sql, 'f');
  expect(await poll()).toEqual(['f']);
});

test('a prepared transaction that is committed later is not passed', async () => {
  const poll = openFeed();
  const name = randomUUID();
  await withSession(async (sql) => {
    await sql`begin`;
    await write(sql, 'prepared');
    // The feed finds the transaction while a session has it, and later while no session has it.
    await write(outbox.db.sql, 'during');
    expect(await poll()).toEqual([]);
    await sql.unsafe(`prepare transaction '${name}'`);
  });
  await write(outbox.db.sql, 'later');
  expect(await poll()).toEqual([]);
  expect(await openFeed()()).toEqual([]);
  await outbox.db.sql.unsafe(`commit prepared '${name}'`);
  expect(await poll()).toEqual(['prepared', 'during', 'later']);
});

test('a feed does not pass a writer that hides its activity, or one in a subtransaction', async () => {
  const poll = openFeed();
  await withSession(async (sql) => {
    await sql`set track_activities = off`;
    await sql`begin`;
    await sql`savepoint inner_one`;
    await write(sql, 'hidden');
    await sql`release savepoint inner_one`;
    await write(outbox.db.sql, 'open');
    expect(await poll()).toEqual([]);
    await sql`commit`;
  });
  expect(await poll()).toEqual(['hidden', 'open']);
});

test('events before a transaction that runs for long are read while it runs, and those of an aborted one are not waited for', async () => {
  const poll = openFeed();
  await write(outbox.db.sql, 'before');
  expect(await poll()).toEqual(['before']);
  await withSession(async (sql) => {
    await sql`begin`;
    await write(sql, 'aborted');
    await write(outbox.db.sql, 'after');
    expect(await poll()).toEqual([]);
    await sql`rollback`;
  });
  expect(await poll()).toEqual(['after']);
});

test('transactions that end between two checks let the feed go on, although others always run', async () => {
  const poll = openFeed();
  const seen: string[] = [];
  let running: Sql | null = null;
  for (let n = 0; n < 10; n += 1) {
    const sql = postgres(outbox.url, { max: 1, fetch_types: false, onnotice: () => {} });
    await sql`begin`;
    await write(sql, String(n));
    seen.push(...(await poll()));
    await running?.unsafe('commit');
    await running?.end();
    running = sql;
  }
  await running?.unsafe('commit');
  await running?.end();
  // It moved on before the last transaction ended.
  expect(seen.length).toBeGreaterThan(4);
  expect([...seen, ...(await poll())].toSorted()).toEqual(Array.from({ length: 10 }, (_, n) => String(n)));
});

test('a recorded time that is earlier than those already read, as after a clock that stepped back, plays no part', async () => {
  const poll = openFeed();
  await write(outbox.db.sql, 'now');
  expect(await poll()).toEqual(['now']);
  await outbox.db.sql
    .unsafe(`
    alter table auditbox.audit_log disable trigger audit_log_to_outbox;
    with event as (
      insert into auditbox.audit_log (recorded_at, occurred_at, changed_by, action, table_name, object_id)
      values (now() - interval '20 s', now() - interval '20 s', 'ana', 'updated', 't', 'stepped back')
      returning id, occurred_at, recorded_at
    )
    insert into auditbox.outbox (audit_id, occurred_at, recorded_at, bytes) select id, occurred_at, recorded_at, 300 from event;
    alter table auditbox.audit_log enable always trigger audit_log_to_outbox`)
    .simple();
  expect(await poll()).toEqual(['stepped back']);
});

test('a page reads at most 20,000 rows, however few match, and always says where the next one begins', async () => {
  await outbox.insert(25_000);
  await write(outbox.db.sql, 'rare');
  const [{ safe }] = await createFeedEdge(outbox.db)();
  const filter = { tenant: allTenants, objectId: ['rare'] };
  const first = await readFeed(outbox.db, { filter, after: 0n, upTo: safe, limit: 10, mostMs: 600_000 });
  expect(first).toEqual({ events: [], last: 20_000n });
  const second = await readFeed(outbox.db, { filter, after: first.last, upTo: safe, limit: 10 });
  expect(second.events).toHaveLength(1);
  expect(second.last).toBe(safe);
});

test('a page ends early where its rows take long to read, and says where the next one begins', async () => {
  await outbox.insert(100);
  await write(outbox.db.sql, 'rare');
  const [{ safe }] = await createFeedEdge(outbox.db)();
  const filter = { tenant: allTenants, objectId: ['rare'] };
  const found: FeedPage[] = [];
  for (let after = 0n; after < safe; after = found.at(-1)?.last ?? safe)
    found.push(await readFeed(outbox.db, { filter, after, upTo: safe, limit: 10, mostMs: -1 }));
  expect(found.map(({ last }) => last)).toEqual([10n, 20n, 30n, 40n, 50n, 60n, 70n, 80n, 90n, 100n, safe]);
  expect(found.flatMap(({ events }) => events)).toHaveLength(1);
});

test('a feed over events of many years has them all, in order', async () => {
  const years = [2026, 1999, 2010, 1975, 2024, 1999];
  for (const year of years) {
    await outbox.db.sql`select auditbox.make_month(${`${year}-01-01T00:00:00Z`}::timestamptz)`;
    await outbox.db.sql`
      insert into auditbox.audit_log (occurred_at, changed_by, action, table_name, object_id)
      values (${`${year}-01-15T00:00:00Z`}::timestamptz, 'ana', 'updated', 't', ${String(year)})`;
  }
  expect(await openFeed(4)()).toEqual(years.map(String));
});

test('a feed from a time begins after what was sealed a minute before it, and never after an event recorded later', async () => {
  await outbox.insert(5);
  await outbox.sealAll();
  const [{ at }] = await outbox.db.sql<[{ at: string }]>`
    select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`;
  const later = (seconds: number) => new Date(Date.parse(at) + seconds * 1000).toISOString();
  expect(await findFeedStart(outbox.db, later(120), null)).toBe(5n);
  // Within the margin for clocks.
  expect(await findFeedStart(outbox.db, later(30), null)).toBe(0n);
  expect(await findFeedStart(outbox.db, '2020-01-01T00:00:00Z', null)).toBe(0n);
});
