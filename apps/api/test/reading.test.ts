import { connect } from 'node:net';
import { type ApiFixture, createApiFixture, masterKey } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent, type WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

let api: ApiFixture;
const actors = ['ana', 'bob', 'eve'];
const actions = ['created', 'updated', 'deleted'];

/** Several events share each time, so that only the tie-break orders them. */
const events: WireEvent[] = Array.from({ length: 60 }, (_, n) =>
  anEvent({
    updated_at: `2026-07-03T11:${String(Math.floor(n / 6)).padStart(2, '0')}:00Z`,
    changed_by: actors[n % 3] as string,
    changed_by_api_key: `key-${n % 4}`,
    action: actions[n % 3] as string,
    table_name: n % 2 === 0 ? 'teams' : 'users',
    object_id: `object-${n % 5}`,
  }),
);
const byTimeAndId = [...events].sort((a, b) => `${a.updated_at}${a.id}`.localeCompare(`${b.updated_at}${b.id}`));

beforeAll(async () => {
  api = await createApiFixture();
  await api.db.store(events);
});
afterAll(() => api.close());

const list = async (query: string) => (await api.request(`/audit?${query}`)).body;
const getIds = (logs: readonly { id: string }[]) => logs.map(({ id }) => id);

test('without parameters: the ten newest, with exact counts, under the names of LiteLLM', async () => {
  const body = await list('');
  expect(Object.keys(body)).toEqual([
    'audit_logs',
    'total',
    'page',
    'page_size',
    'total_pages',
    'total_is_exact',
    'record_begins_at',
    'next_cursor',
  ]);
  expect(body).toMatchObject({ total: 60, page: 1, page_size: 10, total_pages: 6 });
  expect(getIds(body.audit_logs)).toEqual(getIds(byTimeAndId.toReversed().slice(0, 10)));
  expect(body.audit_logs[0]).toEqual({
    ...byTimeAndId.at(-1),
    context: null,
    recorded_at: expect.any(String),
    recorded_by: 'key:master',
  });
});

test.each([
  ['changed_by=bob', (e: WireEvent) => e.changed_by === 'bob'],
  ['changed_by=BOB', () => false],
  ['changed_by_api_key=key-2', (e: WireEvent) => e.changed_by_api_key === 'key-2'],
  ['action=deleted', (e: WireEvent) => e.action === 'deleted'],
  ['table_name=users', (e: WireEvent) => e.table_name === 'users'],
  ['object_id=object-1', (e: WireEvent) => e.object_id === 'object-1'],
  [
    'object_id=object-1&table_name=users&action=updated',
    (e: WireEvent) => e.object_id === 'object-1' && e.table_name === 'users' && e.action === 'updated',
  ],
  ['start_date=2026-07-03T11:04:00Z', (e: WireEvent) => (e.updated_at ?? '') >= '2026-07-03T11:04:00Z'],
  ['end_date=2026-07-03T11:04:00Z', (e: WireEvent) => (e.updated_at ?? '') <= '2026-07-03T11:04:00Z'],
  ['start_date=2026-07-03T11:04:00.000000001Z', (e: WireEvent) => (e.updated_at ?? '') > '2026-07-03T11:04:00Z'],
  ['end_date=2026-07-03T11:03:59.999999999Z', (e: WireEvent) => (e.updated_at ?? '') < '2026-07-03T11:04:00Z'],
  ['start_date=2026-07-03T13:04:00%2B02:00', (e: WireEvent) => (e.updated_at ?? '') >= '2026-07-03T11:04:00Z'],
  ['start_date=2026-07-03T13:04:00+02:00', (e: WireEvent) => (e.updated_at ?? '') >= '2026-07-03T11:04:00Z'],
  ['start_date=2026-07-03&end_date=2026-07-03', () => true],
  ['end_date=2026-07-02', () => false],
  ['start_date=0001-01-01&end_date=9999-12-31T23:59:59.999999999Z', () => true],
])('%s finds exactly the matching events', async (query, matches) => {
  const expected = byTimeAndId.filter(matches);
  const body = await list(`${query}&page_size=100&sort_order=asc`);
  expect(getIds(body.audit_logs)).toEqual(getIds(expected));
  expect(body.total).toBe(expected.length);
});

test.each([
  ['updated_at', 'asc'],
  ['updated_at', 'desc'],
  ['action', 'asc'],
  ['table_name', 'desc'],
] as const)('pages of 7 by %s %s hold every event once, in one order', async (column, order) => {
  const query = `page_size=7&sort_by=${column}&sort_order=${order}`;
  const pages = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8, 9].map((page) => list(`page=${page}&${query}`)));
  const sortKey = (event: WireEvent) => `${event[column]} ${event.updated_at} ${event.id}`;
  const ascending = [...events].sort((a, b) => sortKey(a).localeCompare(sortKey(b)));
  const expected = order === 'asc' ? ascending : ascending.reverse();
  expect(pages.flatMap(({ audit_logs }) => getIds(audit_logs))).toEqual(getIds(expected));
  expect(pages[0]).toMatchObject({ total: 60, total_pages: 9 });
});

test('a page after the last one is empty and has the total', async () => {
  expect(await list('page=1000000000&page_size=100')).toEqual({
    audit_logs: [],
    total: 60,
    page: 1_000_000_000,
    page_size: 100,
    total_pages: 1,
    total_is_exact: true,
    record_begins_at: null,
    next_cursor: null,
  });
});

test('without a match the list is empty and has no pages', async () => {
  expect(await list('object_id=none')).toMatchObject({ audit_logs: [], total: 0, page: 1, total_pages: 0 });
});

test.each(['updated_at', 'recorded_at', 'changed_by', 'changed_by_api_key', 'action', 'table_name', 'object_id', 'id'])(
  'sorted by %s, ties by event time and id',
  async (column) => {
    const logs = (await list(`sort_by=${column}&sort_order=asc&page_size=100`)).audit_logs as Record<string, string>[];
    const ties = (log: Record<string, string>) =>
      /recorded_at|^id$/.test(column) ? log.id : `${log.updated_at} ${log.id}`;
    const keys = logs.map((log) => `${log[column]} ${ties(log)}`);
    expect(keys).toEqual([...keys].sort());
    const down = (await list(`sort_by=${column}&sort_order=desc&page_size=100`)).audit_logs;
    expect(getIds(down)).toEqual(logs.map(({ id }) => id).reverse());
  },
);

test.each([
  ['page=0', 'page'],
  ['page=-1', 'page'],
  ['page=1.5', 'page'],
  ['page=', 'page'],
  ['page_size=0', 'page_size'],
  ['page_size=101', 'page_size'],
  ['page_size=1000', 'page_size'],
  ['page_size=ten', 'page_size'],
  ['action=create', 'action'],
  ['action=created&action=deleted', 'action'],
  ['start_date=yesterday', 'start_date'],
  ['start_date=2026-07-03T11:04:61', 'start_date'],
  ['end_date=2026-02-30', 'end_date'],
  ['end_date=infinity', 'end_date'],
  ['start_date=9999-12-31T23:59:59.999999999Z', 'start_date'],
  ['start_date=0000-01-01', 'start_date'],
  ['sort_by=before_value', 'sort_by'],
  ['sort_by=id;drop%20table%20audit_log', 'sort_by'],
  ['sort_order=up', 'sort_order'],
  ['changed_by=%00', 'changed_by'],
  ['user=ana', 'user'],
  ['__proto__=1', '__proto__'],
])('?%s is a 400 that names the parameter', async (query, path) => {
  const { status, body } = await api.request(`/audit?${query}`);
  expect(status).toBe(400);
  expect(body.errors.map((error: { path: string }) => error.path)).toContain(path);
});

test('one answer names every invalid parameter', async () => {
  const { body } = await api.request('/audit?page=0&page_size=1000&nonsense=1');
  expect(body.errors.map(({ path }: { path: string }) => path).sort()).toEqual(['nonsense', 'page', 'page_size']);
});

test('one event with its export; the id may be in upper case', async () => {
  const [event] = events;
  const { status, body } = await api.request(`/audit/${event?.id.toUpperCase()}`);
  expect(status).toBe(200);
  expect(body).toEqual({
    ...event,
    context: null,
    recorded_by: 'key:master',
    recorded_at: expect.any(String),
    export: { state: 'pending', object_key: null, sha256: null, exported_at: null },
    deliveries: [{ destination: 's3', state: 'pending', delivered_at: null }],
  });
});

test('an id that is not a UUID is a 400, an unknown id is a 404', async () => {
  expect(await api.request('/audit/42')).toMatchObject({ status: 400, body: { errors: [{ path: 'id' }] } });
  expect((await api.request('/audit/%')).status).toBe(400);
  expect((await api.request('/audit/00000000-0000-4000-8000-000000000000')).status).toBe(404);
});

test('other paths are a 404, other methods a 405', async () => {
  expect((await api.request('/nothing')).status).toBe(404);
  expect(await api.request('/audit', { method: 'DELETE' })).toMatchObject({ status: 405 });
  expect((await api.request('/audit', { method: 'DELETE' })).headers.get('allow')).toBe('GET, POST');
  expect((await api.request(`/audit/${events[0]?.id}`, { method: 'PATCH', body: {} })).status).toBe(405);
});

test('a request line with a complete URL works', async () => {
  const { port } = new URL(api.url);
  const socket = connect(Number(port), '127.0.0.1');
  socket.end(
    `GET http://a:99999/audit?page_size=0 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${masterKey}\r\nConnection: close\r\n\r\n`,
  );
  const answer = Buffer.concat(await socket.toArray()).toString();
  expect(answer).toMatch(/^HTTP\/1\.1 400 .*"path":"page_size"/s);
});
