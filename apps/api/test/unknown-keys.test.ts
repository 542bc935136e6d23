import { randomUUID } from 'node:crypto';
import { makeApiKey } from '@auditbox/db/keys/key-form.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type ApiFixture, createApiFixture } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

/* A caller that sends keys that do not exist takes nothing from writers: look-ups of keys have separate connections. */

let api: ApiFixture;
beforeAll(async () => {
  api = await createApiFixture({ RATE_LIMIT_FAILED_KEYS: '0', LOG_LEVEL: 'info' });
});
afterAll(() => api.close());

const inFlight = 50;
const mistype = (key: string) => `${key.slice(0, -1)}${key.endsWith('a') ? 'b' : 'a'}`;

/** Sends unknown keys. Each second key has the form of a key, so it must be looked up. */
async function flood(count: number): Promise<void> {
  let left = count;
  const one = async () => {
    while (left > 0) {
      left -= 1;
      const key = makeApiKey('live');
      const { status } = await api.request('/audit?page_size=1', { key: left % 2 === 0 ? key : mistype(key) });
      expect(status).toBe(401);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, one));
}

/** What the sessions of the pool for writes do now. */
const writers = () => api.db.sql<{ pid: number; query_start: string; waits: boolean; query: string }[]>`
  select pid, query_start::text, wait_event_type is not distinct from 'Lock' as waits, query from pg_stat_activity
  where datname = current_database() and application_name = 'auditbox api' order by pid`;

test('8,000 unknown keys are answered while every connection of writes waits, use none of them, and writes go on', async () => {
  const keys: string[] = [];
  for (let n = 0; n < 3; n += 1) {
    const { body } = await api.request('/keys', { body: { name: randomUUID(), scopes: ['write'] } });
    keys.push(body.key);
  }
  const { promise: unlocked, resolve: unlock } = Promise.withResolvers<void>();
  const { promise: locked, resolve: reportLocked } = Promise.withResolvers<void>();
  const lock = api.db.sql.begin(async (tx) => {
    await tx`set local idle_in_transaction_session_timeout = 0`;
    // Of batches, single events and health checks.
    await tx`lock table auditbox.outbox in access exclusive mode`;
    reportLocked();
    await unlocked;
  });
  await locked;
  let isLocked = true;
  /** A statement ends after 10 s with a 503, so that somebody must ask again to keep all connections waiting. */
  const keepAsking = async (ask: () => Promise<{ status: number }>) => {
    while (isLocked) expect([200, 201, 503]).toContain((await ask()).status);
  };
  const asking = [
    ...keys.flatMap((key) =>
      Array.from({ length: 5 }, () => keepAsking(() => api.request('/audit/batch', { key, body: someEvents(2) }))),
    ),
    ...Array.from({ length: 10 }, () => keepAsking(() => api.request('/audit', { body: anEvent() }))),
    ...Array.from({ length: 2 }, () => keepAsking(() => api.request('/readyz', { key: null }))),
  ];
  let unmoved = 0;
  try {
    for (let sent = 0; sent < 8_000; sent += 500) {
      const before = await eventually(async () => {
        const all = await writers();
        expect(all.filter(({ waits }) => waits)).toHaveLength(10);
        return all;
      });
      await flood(500);
      const after = await writers();
      if (JSON.stringify(after) === JSON.stringify(before)) unmoved += 1;
      expect(after.filter(({ query }) => query.includes('auditbox.api_key'))).toEqual([]);
    }
    // Of the 16 parts, a few fall on the moment in which statements time out.
    expect(unmoved).toBeGreaterThan(4);
  } finally {
    isLocked = false;
    unlock();
    await lock;
    await Promise.all(asking);
  }
  const flooding = flood(2_000);
  for (let n = 0; n < 20; n += 1) {
    expect((await api.request('/audit', { body: anEvent() })).status).toBe(201);
    expect((await api.request('/audit/batch', { key: keys[n % 3] as string, body: someEvents(2) })).status).toBe(201);
  }
  await flooding;
});
