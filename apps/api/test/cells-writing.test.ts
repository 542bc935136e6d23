import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { cellOf } from '@auditbox/db/cells/cell-of.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { startTcpProxy } from '@auditbox/testing/proxies/tcp-proxy.ts';
import { endApps, spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

const names = ['ash', 'birch', 'cedar'] as const;
type Name = (typeof names)[number];
let databases: Record<Name, TestDatabase>;
beforeEach(async () => {
  const opened = await Promise.all(names.map(() => openTestDatabase()));
  databases = Object.fromEntries(names.map((name, index) => [name, opened[index]])) as typeof databases;
});
afterEach(async () => {
  await endApps();
  for (const db of Object.values(databases)) await db.close(1_000);
});

const listOf = (...list: Name[]) => list.map((name) => `${name}=${urlAs('api', databases[name].url)}`).join(' ');
const start = (settings: Record<string, string> = {}) =>
  startApi('', { DATABASE_CELLS: listOf(...names), ...settings });

/** The cells, one of them behind a proxy. */
async function withProxy(name: Name) {
  const url = new URL(urlAs('api', databases[name].url));
  const proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
  const behind = new URL(url);
  behind.hostname = '127.0.0.1';
  behind.port = String(proxy.port);
  return { proxy, list: listOf(...names).replace(url.href, behind.href) };
}

/** The ids of a cell's events, without those of the api itself. */
async function idsIn(name: Name): Promise<string[]> {
  const rows = await databases[name].sql<{ id: string }[]>`
    select id::text from auditbox.audit_log where table_name not like 'auditbox.%' order by id`;
  return rows.map(({ id }) => id);
}
async function countIn(name: Name): Promise<number> {
  return (await idsIn(name)).length;
}
function idOf(name: Name, list: readonly string[] = names): string {
  for (;;) {
    const { id } = anEvent();
    if (cellOf(id, list) === name) return id;
  }
}
const withoutId = (count: number) => someEvents(count).map(({ id: _id, ...event }) => event);

test('an event is stored in the cell of its id, once, however often it is sent', async () => {
  const api = await start();
  const events = someEvents(30);
  for (const outcome of [201, 200])
    for (const event of events) expect((await api.request('/audit', { body: event })).status).toBe(outcome);
  for (const name of names)
    expect(await idsIn(name)).toEqual(
      events
        .map(({ id }) => id)
        .filter((id) => cellOf(id, names) === name)
        .sort(),
    );
  expect((await api.request('/audit', { body: { ...events[0], object_id: 'other' } })).status).toBe(409);
});

test('a batch without ids is stored in one cell, and single events without ids in all of them', async () => {
  const api = await start();
  const { status, body } = await api.request('/audit/batch', { body: withoutId(40) });
  expect(status).toBe(201);
  expect(new Set(body.ids.map((id: string) => cellOf(id, names))).size).toBe(1);
  const counts = await Promise.all(names.map(countIn));
  expect(counts.toSorted((a, b) => a - b)).toEqual([0, 0, 40]);
  for (const event of withoutId(40)) expect((await api.request('/audit', { body: event })).status).toBe(201);
  for (const name of names) expect(await countIn(name)).toBeGreaterThan(0);
});

test('a batch with ids of several cells stores nothing if one event conflicts or is in the future', async () => {
  const api = await start();
  const events = someEvents(30);
  expect((await api.request('/audit', { body: events[17] })).status).toBe(201);
  const conflicting = events.map((event, index) => (index === 17 ? { ...event, object_id: 'other' } : event));
  const conflict = await api.request('/audit/batch', { body: conflicting });
  expect([conflict.status, conflict.body.errors[0].path]).toEqual([409, '[17].id']);
  const late = events.map((event, index) => (index === 4 ? { ...event, updated_at: '2099-01-01T00:00:00Z' } : event));
  const future = await api.request('/audit/batch', { body: late });
  expect([future.status, future.body.errors[0].path]).toEqual([422, '[4].updated_at']);
  expect((await Promise.all(names.map(countIn))).reduce((sum, count) => sum + count)).toBe(1);
  const stored = await api.request('/audit/batch', { body: events });
  expect([stored.status, stored.body.created, stored.body.existing]).toEqual([201, 29, 1]);
  expect(stored.body.ids).toEqual(events.map(({ id }) => id));
});

test('partial=true and Idempotency-Key work over cells', async () => {
  const api = await start();
  const events = someEvents(12);
  await api.request('/audit', { body: events[3] });
  const body = events.map((event, index) => (index === 3 ? { ...event, object_id: 'other' } : event));
  const partly = await api.request('/audit/batch?partial=true', { body });
  expect([partly.body.created, partly.body.errors[0].path]).toEqual([11, '[3].id']);
  const headers = { 'idempotency-key': '"a-key"' };
  const batch = withoutId(20);
  const [first, again] = [
    await api.request('/audit/batch', { body: batch, headers }),
    await api.request('/audit/batch', { body: batch, headers }),
  ];
  expect([first.body.created, again.body.existing]).toEqual([20, 20]);
  expect(again.body.ids).toEqual(first.body.ids);
  expect((await api.request('/audit/batch', { body: withoutId(21), headers })).status).toBe(422);
});

test('partial=true stores events without ids in one cell, next to events with ids of all cells', async () => {
  const api = await start();
  const known = names.map((name) => anEvent({ id: idOf(name) }));
  const { status, body } = await api.request('/audit/batch?partial=true', { body: [...known, ...withoutId(30)] });
  expect([status, body.created, body.errors]).toEqual([201, 33, []]);
  expect(body.ids.slice(0, 3)).toEqual(known.map(({ id }) => id));
  expect(new Set(body.ids.slice(3).map((id: string) => cellOf(id, names))).size).toBe(1);
});

test('partial=true stores no event without an id while a cell of the others is down, so that the same request again doubles none', async () => {
  const { proxy, list } = await withProxy('birch');
  const api = await start({ DATABASE_CELLS: list });
  const anonymous = withoutId(12);
  const body = [...names.map((name) => anEvent({ id: idOf(name) })), ...anonymous];
  await proxy.down();
  const failed = await api.request('/audit/batch?partial=true', { body });
  expect([failed.status, failed.body.detail]).toEqual([503, expect.stringContaining('The cell birch')]);
  const known = body.map((event) => ('id' in event ? event.id : null));
  const without = async () => (await Promise.all(names.map(idsIn))).flat().filter((id) => !known.includes(id));
  await proxy.up();
  expect(await without()).toEqual([]);
  await eventually(async () => expect((await api.request('/audit/batch?partial=true', { body })).status).toBe(201));
  expect(await without()).toHaveLength(anonymous.length);
});

test('an Idempotency-Key that is sent to apis with another list of cells stores its events once', async () => {
  const headers = { 'idempotency-key': '"grown"' };
  const batch = withoutId(25);
  const before = await startApi('', { DATABASE_CELLS: listOf('ash') });
  const after = await start({ DATABASE_CELLS_BEFORE: 'ash' });
  for (const path of ['/audit/batch', '/audit/batch?partial=true']) {
    const answers = [];
    for (const api of [before, after, before, after]) answers.push(await api.request(path, { body: batch, headers }));
    const [first, ...others] = answers.map(({ body: { created, existing, ids } }) => ({ created, existing, ids }));
    expect(new Set(first?.ids.map((id: string) => cellOf(id, names))).size).toBe(names.length);
    expect(others).toEqual(others.map(() => ({ created: 0, existing: 25, ids: first?.ids })));
  }
  expect((await Promise.all(names.map(countIn))).reduce((sum, count) => sum + count)).toBe(25);
});

test('a cell that joins takes new ids, and an id that was stored before is not stored twice', async () => {
  const events = [...someEvents(59), anEvent({ id: idOf('cedar') })];
  const lists = [['ash'], ['ash', 'birch'], ['ash', 'birch', 'cedar']] as const;
  for (const [index, list] of lists.entries()) {
    const before = lists
      .slice(0, index)
      .map((former) => former.join(' '))
      .join('; ');
    const api = await startApi('', {
      DATABASE_CELLS: listOf(...list),
      ...(before !== '' && { DATABASE_CELLS_BEFORE: before }),
    });
    const sent = events.slice(0, 20 * (index + 1));
    const batch = await api.request('/audit/batch', { body: sent });
    expect([batch.status, batch.body.created]).toEqual([201, 20]);
    for (const event of sent) {
      expect((await api.request('/audit', { body: event })).status).toBe(200);
      expect((await api.request(`/audit/${event.id}`)).status).toBe(200);
    }
    await endApps();
  }
  const ids = (await Promise.all(names.map(idsIn))).flat();
  expect(ids.toSorted()).toEqual(events.map(({ id }) => id).sort());
  expect(await countIn('cedar')).toBeGreaterThan(0);
});

test('a cursor of a feed from before there were cells goes on in the only cell', async () => {
  await databases.ash.store(someEvents(3));
  const one = await startApi(urlAs('api', databases.ash.url));
  const { body } = await one.request('/audit?recorded_after=2026-01-01&page_size=2');
  expect(body.audit_logs).toHaveLength(2);
  await endApps();
  const api = await start({ DATABASE_CELLS: listOf('ash') });
  const next = await api.request(`/audit?recorded_after=2026-01-01&page_size=2&cursor=${body.next_cursor}`);
  expect(next.body.audit_logs).toHaveLength(1);
});

test('a cell that is only read gets no events, and its events are in every list', async () => {
  const event = anEvent({ id: idOf('cedar'), object_id: 'by-sql' });
  await databases.cedar.store([event]);
  const api = await start({ DATABASE_CELLS: listOf(...names).replace('cedar=', 'cedar:read=') });
  expect((await api.request('/audit/batch', { body: someEvents(30) })).status).toBe(201);
  expect(await idsIn('cedar')).toEqual([event.id]);
  expect((await api.request('/audit?object_id=by-sql')).body.total).toBe(1);
  expect((await api.request(`/audit/${event.id}`)).status).toBe(200);
});

test('a batch with an old event of a cell that is only read now, and with new events without ids, is stored', async () => {
  const old = anEvent({ id: idOf('ash', ['ash', 'birch']) });
  await databases.ash.store([old]);
  const api = await start({
    DATABASE_CELLS: listOf('ash', 'birch').replace('ash=', 'ash:read='),
    DATABASE_CELLS_BEFORE: 'ash birch',
  });
  const { status, body } = await api.request('/audit/batch', { body: [old, ...withoutId(3)] });
  expect([status, body.created, body.existing]).toEqual([201, 3, 1]);
  expect(await idsIn('ash')).toEqual([old.id]);
  expect(await idsIn('birch')).toEqual(body.ids.slice(1).sort());
});

test('a cell that is down takes its share and no more, and comes back', async () => {
  const { proxy, list } = await withProxy('birch');
  const api = await start({ DATABASE_CELLS: list });
  const stored = await api.request('/audit/batch', { body: someEvents(30) });
  expect(stored.status, stored.text).toBe(201);
  await proxy.down();

  const own = await api.request('/audit', { body: anEvent({ id: idOf('birch') }) });
  expect([own.status, own.headers.get('retry-after')]).toEqual([503, '1']);
  expect(own.body.detail).toContain('The cell birch');
  for (const name of ['ash', 'cedar'] as const) {
    const event = anEvent({ id: idOf(name) });
    expect((await api.request('/audit', { body: event })).status).toBe(201);
    expect((await api.request(`/audit/${event.id}`)).status).toBe(200);
  }
  // Events without an id go to the other cells.
  for (const event of withoutId(20)) expect((await api.request('/audit', { body: event })).status).toBe(201);
  expect((await api.request('/audit/batch', { body: withoutId(20) })).status).toBe(201);
  // A list without the events of a cell would look complete.
  for (const path of ['/audit', '/audit/export', '/audit/stats', '/audit/objects/teams/42', '/exports']) {
    const list = await api.request(path);
    expect([path, list.status]).toEqual([path, 503]);
    expect(list.body.detail).toContain('The cell birch');
  }
  const ready = await api.request('/readyz', { key: null });
  expect([ready.status, ready.text]).toEqual([200, expect.stringContaining('The cell birch is not ready')]);
  // Addresses and logins are for the log.
  expect(ready.text).not.toMatch(/127\.0\.0\.1|localhost|test_api/);
  await proxy.up();
  await eventually(async () => expect((await api.request('/audit')).status).toBe(200));
  await eventually(async () =>
    expect((await api.request('/audit', { body: anEvent({ id: idOf('birch') }) })).status).toBe(201),
  );
});

test('a cell that goes down between two pages fails the second one, and the same cursors go on when it is back', async () => {
  const { proxy, list } = await withProxy('birch');
  const api = await start({ DATABASE_CELLS: list });
  const events = someEvents(60, { object_id: 'paged' });
  expect((await api.request('/audit/batch', { body: events })).status).toBe(201);
  const paths = [
    '/audit?object_id=paged&page_size=7&sort_by=id',
    '/audit?object_id=paged&page_size=7&recorded_after=2026-01-01',
    '/audit/objects/teams/paged?page_size=7',
  ];
  const idsOf = (text: string) => JSON.parse(text).audit_logs.map(({ id }: { id: string }) => id) as string[];
  const first = await Promise.all(paths.map((path) => api.request(path)));
  await proxy.down();
  for (const [index, path] of paths.entries()) {
    const cursor = first[index]?.body.next_cursor;
    const second = await api.request(`${path}&cursor=${cursor}`);
    expect([path, second.status, second.headers.get('retry-after')], api.app.output()).toEqual([path, 503, '1']);
    expect(second.body.detail).toContain('The cell birch');
  }
  await proxy.up();
  for (const [index, path] of paths.entries()) {
    const seen = idsOf(first[index]?.text ?? '');
    for (let cursor = first[index]?.body.next_cursor; cursor !== null; ) {
      const page = await eventually(async () => {
        const answer = await api.request(`${path}&cursor=${cursor}`);
        expect(answer.status).toBe(200);
        return answer;
      });
      seen.push(...idsOf(page.text));
      cursor = page.body.caught_up === true ? null : page.body.next_cursor;
    }
    expect([path, seen.toSorted()]).toEqual([path, events.map(({ id }) => id).sort()]);
  }
});

test.each(['ndjson', 'csv'])('an export of %s breaks when a cell dies in the middle of it', async (format) => {
  const { proxy, list } = await withProxy('birch');
  const { url, request: ask } = await start({ DATABASE_CELLS: list });
  const { body: reader } = await ask('/keys', { body: { name: 'reader', scopes: ['read'] } });
  for (const name of names)
    await databases[name].store(
      Array.from({ length: 30 }, () => anEvent({ updated_values: { text: 'x'.repeat(400_000) } })),
    );
  const sent = get(`${url}/audit/export?format=${format}&table_name=teams`, {
    headers: { authorization: `Bearer ${reader.key}` },
  });
  sent.on('error', () => {});
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  expect(answer.statusCode).toBe(200);
  const ended = once(answer, 'end');
  await proxy.down();
  answer.resume();
  await expect(ended).rejects.toMatchObject({ code: 'ECONNRESET' });
  expect(answer.complete).toBe(false);
  await proxy.up();
});

test('a key is in every cell under the same id; it works and is revoked while the first cell is down', async () => {
  const { proxy, list } = await withProxy('ash');
  const api = await start({ DATABASE_CELLS: list });
  const made = await api.request('/keys', { body: { name: 'writer', scopes: ['read', 'write'] } });
  expect(made.status, made.text).toBe(201);
  const rows = await Promise.all(
    Object.values(databases).map((db) => db.sql<{ id: string }[]>`select key_id::text as id from auditbox.api_key`),
  );
  expect(rows.flat().map(({ id }) => id)).toEqual([made.body.id, made.body.id, made.body.id]);
  const rotated = await api.request(`/keys/${made.body.id}/rotate`, { body: { overlap_seconds: 0 } });
  expect(rotated.status, rotated.text).toBe(201);
  await proxy.down();
  const { key } = rotated.body;
  const event = anEvent({ id: idOf('cedar') });
  expect((await api.request('/audit', { body: event, key })).status).toBe(201);
  expect((await api.request(`/audit/${event.id}`, { key })).status).toBe(200);
});

test('a key that is revoked while the first cell is down works nowhere when that cell is back, and is revoked there too', async () => {
  const { proxy, list } = await withProxy('ash');
  const api = await start({ DATABASE_CELLS: list });
  const { body: made } = await api.request('/keys', { body: { name: 'leaked', scopes: ['read'] } });
  await proxy.down();
  const half = await api.request(`/keys/${made.id}`, { method: 'DELETE' });
  expect([half.status, half.body.detail]).toEqual([503, expect.stringContaining('The cell ash')]);
  await proxy.up();
  // Each new api has looked up nothing before.
  for (const list of [listOf(...names), listOf('ash', 'cedar')]) {
    const other = await startApi('', { DATABASE_CELLS: list });
    await eventually(async () => expect((await other.request('/audit')).status).toBe(200));
    expect((await other.request('/audit', { key: made.key })).status).toBe(401);
  }
  await eventually(async () => {
    const rows = await databases.ash.sql`select from auditbox.api_key where revoked_at is not null`;
    expect(rows).toHaveLength(1);
  });
  const alone = await startApi(urlAs('api', databases.ash.url));
  expect((await alone.request('/audit', { key: made.key })).status).toBe(401);
  expect((await api.request('/keys', { body: { name: 'leaked', scopes: ['read'] } })).status).toBe(201);
});

test('a key that cannot be made in all cells is in none, and its name stays free', async () => {
  const { proxy, list } = await withProxy('birch');
  const api = await start({ DATABASE_CELLS: list.split(' ').slice(0, 2).join(' ') });
  await proxy.down();
  const refused = await api.request('/keys', { body: { name: 'new', scopes: ['read'] } });
  expect([refused.status, refused.body.detail]).toEqual([503, expect.stringContaining('The cell birch')]);
  // The first cell may have lost a key that the other one has.
  const unknown = await api.request(`/keys/${anEvent().id}`, { method: 'DELETE' });
  expect([unknown.status, unknown.body.detail]).toEqual([503, expect.stringContaining('The cell birch')]);
  for (const db of Object.values(databases))
    expect(await db.sql`select from auditbox.api_key where revoked_at is null`).toHaveLength(0);
  await proxy.up();
  await eventually(async () =>
    expect((await api.request('/keys', { body: { name: 'new', scopes: ['read'] } })).status).toBe(201),
  );
});

test('a list of keys goes on in the cell in which it began, although the others answer', async () => {
  const { proxy, list } = await withProxy('ash');
  const api = await start({ DATABASE_CELLS: list });
  const made: string[] = [];
  for (let n = 0; n < 5; n += 1)
    made.push((await api.request('/keys', { body: { name: `key ${n}`, scopes: ['read'] } })).body.id);
  // As with a clock that is an hour ahead.
  await databases.birch.sql`update auditbox.api_key set created_at = created_at + interval '1 hour'`;
  const first = await api.request('/keys?page_size=2');
  const seen: string[] = first.body.keys.map(({ id }: { id: string }) => id);
  let cursor: string | null = first.body.next_cursor;
  await proxy.down();
  const second = await api.request(`/keys?page_size=2&cursor=${cursor}`);
  expect([second.status, second.body.detail]).toEqual([503, expect.stringContaining('The cell ash')]);
  expect((await api.request('/keys')).body.keys).toHaveLength(5);
  await proxy.up();
  while (cursor !== null) {
    const { body } = await eventually(async () => {
      const answer = await api.request(`/keys?page_size=2&cursor=${cursor}`);
      expect(answer.status).toBe(200);
      return answer;
    });
    seen.push(...body.keys.map(({ id }: { id: string }) => id));
    cursor = body.next_cursor;
  }
  expect(seen).toEqual(made);
});

test('`npm run keys` changes all cells, and names the cell that is down', async () => {
  const env = { DATABASE_CELLS: listOf(...names) };
  const create = spawnApp('api/src/keys/main.ts', env, ['create', '--name', 'cli', '--scope', 'read']);
  expect(await create.ended, create.output()).toBe(0);
  for (const db of Object.values(databases)) {
    const rows = await db.sql<{ name: string }[]>`select name from auditbox.api_key`;
    expect(rows.map(({ name }) => name)).toEqual(['cli']);
  }
  const down = { DATABASE_CELLS: `${listOf('ash')} birch=postgres://test_api@127.0.0.1:1/none` };
  const refused = spawnApp('api/src/keys/main.ts', down, ['create', '--name', 'other', '--scope', 'read']);
  expect(await refused.ended).toBe(1);
  expect(refused.output()).toContain('In the cell birch:');
  const [row] = await databases.ash.sql<{ count: number }[]>`select count(*)::int from auditbox.api_key`;
  expect(row?.count).toBe(1);
});

test('cells with other keys of content hashes refuse writes with a sentence', async () => {
  await databases.cedar.sql`update auditbox.secret set value = repeat('0', 64) where name = 'content-hash'`;
  const api = await start();
  for (const _try of [1, 2, 3]) {
    const { status, body } = await api.request('/audit', { body: anEvent() });
    expect([status, body.code]).toEqual([503, 'database-misconfigured']);
    expect(body.detail).toMatch(/The cell \w+ has another key for content hashes/);
  }
});
