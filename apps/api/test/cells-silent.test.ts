import { cellOf } from '@auditbox/db/cells/cell-of.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { startTcpProxy, type TcpProxy } from '@auditbox/testing/proxies/tcp-proxy.ts';
import { endApps } from '@auditbox/testing/servers/spawn-app.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

/*
 * A cell that accepts connections and answers nothing, as behind a network that drops packets. Each of its statements waits for
 * a deadline of 15 s. It is the first cell, which also finds keys. Nobody who needs another cell may wait that long.
 */

const names = ['ash', 'birch', 'cedar'] as const;
type Name = (typeof names)[number];
let databases: Record<Name, TestDatabase>;
let proxy: TcpProxy;
let list: string;
beforeEach(async () => {
  const opened = await Promise.all(names.map(() => openTestDatabase()));
  databases = Object.fromEntries(names.map((name, index) => [name, opened[index]])) as typeof databases;
  const first = new URL(urlAs('api', databases.ash.url));
  proxy = await startTcpProxy({ host: first.hostname, port: Number(first.port) });
  first.port = String(proxy.port);
  list = `ash=${first.href} birch=${urlAs('api', databases.birch.url)} cedar=${urlAs('api', databases.cedar.url)}`;
});
afterEach(async () => {
  proxy.swallow(false);
  await endApps();
  await proxy.down();
  for (const db of Object.values(databases)) await db.close(1_000);
});

const deadlineMs = 15_000;
/** Much less than the deadline, and more than a busy machine needs. */
const promptMs = 7_000;

function idOf(name: Name): string {
  for (;;) {
    const { id } = anEvent();
    if (cellOf(id, names) === name) return id;
  }
}
function withoutId() {
  const { id: _id, ...event } = anEvent();
  return event;
}

async function time<T>(work: () => Promise<T>): Promise<{ ms: number; answer: T }> {
  const startedAt = performance.now();
  const answer = await work();
  return { ms: performance.now() - startedAt, answer };
}

async function countIn(name: Name): Promise<number> {
  const [row] = await databases[name].sql<[{ count: number }]>`select count(*)::int from auditbox.audit_log`;
  return row.count;
}

test('a cell that goes silent delays no key, no write and no read of the others, and gets its share again later', async () => {
  const api = await startApi('', { DATABASE_CELLS: list });
  const { body: reader } = await api.request('/keys', { body: { name: 'reader', scopes: ['read', 'write'] } });
  const known = anEvent({ id: idOf('cedar') });
  expect((await api.request('/audit', { body: known, key: reader.key })).status).toBe(201);
  // A service wrote it into cedar by itself. By its id it would be in the cell that is silent.
  const elsewhere = idOf('ash');
  await databases.cedar.sql`
    insert into auditbox.audit_log (id, changed_by, action, table_name, object_id)
    values (${elsewhere}::uuid, 'ana', 'updated', 'teams', '1')`;
  proxy.swallow(true);
  const own = time(() => api.request('/audit', { body: anEvent({ id: idOf('ash') }) }));
  // Orchestrators give a health check a few seconds.
  for (const _try of [1, 2]) {
    const ready = await time(() => api.request('/readyz', { key: null }));
    expect([ready.answer.status, ready.answer.text]).toEqual([
      200,
      expect.stringContaining('The cell ash is not ready'),
    ]);
    expect(ready.ms).toBeLessThan(promptMs);
  }

  const endAt = performance.now() + deadlineMs + 5_000;
  const slow: string[] = [];
  async function use(): Promise<void> {
    const requests = {
      anonymous: () => api.request('/audit', { body: withoutId() }),
      'by key': () => api.request('/audit', { body: withoutId(), key: reader.key }),
      batch: () => api.request('/audit/batch', { body: [withoutId(), withoutId()] }),
      'of cedar': () => api.request('/audit', { body: anEvent({ id: idOf('cedar') }), key: reader.key }),
      'one event': () => api.request(`/audit/${known.id}`, { key: reader.key }),
      'one event elsewhere': () => api.request(`/audit/${elsewhere}`, { key: reader.key }),
      'unknown key': () => api.request(`/keys/${elsewhere}`, { method: 'DELETE' }),
    };
    while (performance.now() < endAt)
      for (const [name, request] of Object.entries(requests)) {
        const { ms, answer } = await time(request);
        const expected = name === 'unknown key' ? 404 : name.startsWith('one event') ? 200 : 201;
        expect([name, answer.status], answer.text).toEqual([name, expected]);
        if (ms > promptMs) slow.push(`${name}: ${Math.round(ms)} ms`);
      }
  }
  await Promise.all([use(), use(), use()]);
  expect(slow).toEqual([]);
  const { ms, answer } = await own;
  expect([answer.status, answer.body.detail]).toEqual([503, expect.stringContaining('The cell ash')]);
  expect(ms).toBeLessThan(deadlineMs + promptMs);
  const everything = await time(() => api.request('/audit'));
  expect([everything.answer.status, everything.answer.body.detail]).toEqual([
    503,
    expect.stringContaining('The cell ash'),
  ]);
  expect(everything.ms).toBeLessThan(deadlineMs + promptMs);
  const metrics = await time(() => api.request('/metrics'));
  expect(metrics.answer.text).toContain('auditbox_cell_up{cell="ash"} 0');
  expect(metrics.ms).toBeLessThan(promptMs);

  proxy.swallow(false);
  await eventually(async () => expect((await api.request('/audit')).status).toBe(200));
  const before = await countIn('ash');
  await eventually(async () => {
    expect((await api.request('/audit', { body: withoutId() })).status).toBe(201);
    expect(await countIn('ash')).toBeGreaterThan(before);
  });
});

test('an api that starts while a cell is silent writes into the others at once', async () => {
  proxy.swallow(true);
  const api = await startApi('', { DATABASE_CELLS: list });
  // The first write needs the key of content hashes, which every cell has.
  for (const id of [idOf('birch'), idOf('cedar'), idOf('birch')]) {
    const { ms, answer } = await time(() => api.request('/audit', { body: anEvent({ id }) }));
    expect(answer.status, answer.text).toBe(201);
    // Connecting gives up after five seconds.
    expect(ms).toBeLessThan(4_500);
  }
});
