import { gzipSync } from 'node:zlib';
import { type ApiFixture, createApiFixture } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

let api: ApiFixture;
beforeAll(async () => {
  api = await createApiFixture();
});
afterAll(() => api.close());

const count = async () => Number((await api.db.sql`select count(*) from auditbox.audit_log`)[0]?.count);

test('a new event is a 201 with the stored event, and its outbox row exists by then', async () => {
  const event = anEvent({ updated_at: '2026-07-03T11:46:50.269Z' });
  const { status, body, headers } = await api.request('/audit', { body: event });
  expect(status).toBe(201);
  expect(headers.get('location')).toBe(`/audit/${event.id}`);
  expect(body).toEqual({
    ...event,
    context: null,
    recorded_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
    recorded_by: 'key:master',
  });
  expect(await api.db.sql`select state from auditbox.outbox_status where audit_id = ${event.id}`).toEqual([
    { state: 'pending' },
  ]);
});

test('the same event again is a 200, with other content a 409 that stores nothing', async () => {
  const event = anEvent();
  const first = await api.request('/audit', { body: event });
  const again = await api.request('/audit', { body: event });
  expect(again).toMatchObject({ status: 200, body: first.body });
  const other = await api.request('/audit', { body: { ...event, changed_by: 'mallory' } });
  expect(other).toMatchObject({ status: 409, body: { status: 409, errors: [{ path: 'id' }] } });
  expect((await api.request(`/audit/${event.id}`)).body.changed_by).toBe(event.changed_by);
});

test("defaults: a new id, the database's now, and the id of the caller's key", async () => {
  const { id: _id, changed_by_api_key: _key, ...least } = anEvent();
  const { status, body } = await api.request('/audit', { body: least });
  expect(status).toBe(201);
  expect(body.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  expect(body.updated_at).toBe(body.recorded_at);
  expect(body.changed_by_api_key).toBe('master');
});

test('every digit, null and character of a value is returned as it was sent', async () => {
  const values =
    '{"n":12345678901234567890,"f":0.1000000000000000055,"e":1E400,"none":null,"text":"žluťoučký 🐎 \\u00e9","2":[],"1":{}}';
  const event = JSON.stringify(anEvent()).replace('{"max_budget":25}', values);
  const { status, text } = await api.request('/audit', { body: event });
  expect(status).toBe(201);
  expect(text).toContain(`"updated_values":${values},`);
  const id = JSON.parse(event).id;
  expect((await api.request(`/audit/${id}`)).text).toContain(`"updated_values":${values},`);
});

test.each([
  ['application/json', (events: unknown[]) => JSON.stringify(events)],
  ['application/x-ndjson', (events: unknown[]) => events.map((event) => JSON.stringify(event)).join('\n')],
])('a batch as %s is stored whole and answers with its ids in order', async (type, print) => {
  const events = someEvents(500);
  const { status, body } = await api.request('/audit/batch', { type, body: print(events) });
  expect(status).toBe(201);
  expect(body).toEqual({ created: 500, existing: 0, ids: events.map(({ id }) => id) });
  const again = await api.request('/audit/batch', { type, body: print([...events.slice(0, 2), anEvent()]) });
  expect(again).toMatchObject({ status: 201, body: { created: 1, existing: 2 } });
});

test('one invalid event in a batch of 500: nothing is stored, and the answer names its index', async () => {
  const before = await count();
  const events = someEvents(500).map((event, index) => (index === 321 ? { ...event, action: 'zapped' } : event));
  const { status, body } = await api.request('/audit/batch', { body: events });
  expect(status).toBe(422);
  expect(body.errors).toEqual([{ path: '[321].action', message: expect.stringContaining('created, updated') }]);
  expect(await count()).toBe(before);
});

test('one conflicting or future event in a batch: nothing is stored, and the answer names its index', async () => {
  const stored = anEvent();
  await api.request('/audit', { body: stored });
  const before = await count();
  const conflict = await api.request('/audit/batch', {
    body: [anEvent(), anEvent(), { ...stored, action: 'deleted' }],
  });
  expect(conflict).toMatchObject({ status: 409, body: { errors: [{ path: '[2].id' }] } });
  const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
  const future = await api.request('/audit/batch', { body: [anEvent(), anEvent({ updated_at: inAnHour })] });
  expect(future).toMatchObject({ status: 422, body: { errors: [{ path: '[1].updated_at' }] } });
  expect(await api.request('/audit', { body: anEvent({ updated_at: inAnHour }) })).toMatchObject({
    status: 422,
    body: { errors: [{ path: 'updated_at' }] },
  });
  expect(await count()).toBe(before);
});

test('a compressed body is decompressed', async () => {
  const body = gzipSync(JSON.stringify(anEvent()));
  expect((await api.request('/audit', { body, headers: { 'content-encoding': 'gzip' } })).status).toBe(201);
});

const event = anEvent();
const json = JSON.stringify(event);
const wrongBodies: [
  string,
  string,
  { body: unknown; type?: string; headers?: Record<string, string> },
  number,
  string | null,
][] = [
  ['malformed JSON', '/audit', { body: '{"action":' }, 400, null],
  ['no JSON at all', '/audit', { body: '' }, 400, null],
  ['bytes that are not UTF-8', '/audit', { body: Buffer.from([0x22, 0xff, 0x22]) }, 400, null],
  ['bytes that are not gzip', '/audit', { body: 'x', headers: { 'content-encoding': 'gzip' } }, 400, null],
  ['another content type', '/audit', { body: json, type: 'text/plain' }, 415, null],
  ['an array', '/audit', { body: [] }, 422, ''],
  ['an unknown field', '/audit', { body: { ...event, note: 1 } }, 422, 'note'],
  ['a wrong type', '/audit', { body: { ...event, object_id: 42 } }, 422, 'object_id'],
  ['a bad UUID', '/audit', { body: { ...event, id: '42' } }, 422, 'id'],
  ['a bad date', '/audit', { body: { ...event, updated_at: '2026-02-30T00:00:00Z' } }, 422, 'updated_at'],
  ['U+0000', '/audit', { body: { ...event, updated_values: { a: ['x\0'] } } }, 422, 'updated_values.a[0]'],
  ['half a surrogate pair', '/audit', { body: { ...event, changed_by: '\ud83d' } }, 422, 'changed_by'],
  [
    'values nested 10,000 deep',
    '/audit',
    { body: json.replace('{"max_budget":10}', '['.repeat(10_000) + ']'.repeat(10_000)) },
    422,
    'before_value',
  ],
  ['10 MB', '/audit', { body: { ...event, updated_values: 'x'.repeat(10_000_000) } }, 413, null],
  ['10 MB in a batch', '/audit/batch', { body: [{ ...event, updated_values: 'x'.repeat(10_000_000) }] }, 413, null],
  [
    '10 MB that came compressed',
    '/audit',
    { body: gzipSync('x'.repeat(10_000_000)), headers: { 'content-encoding': 'gzip' } },
    413,
    null,
  ],
  ['an empty batch', '/audit/batch', { body: [] }, 422, ''],
  ['an empty NDJSON batch', '/audit/batch', { body: '\n\n', type: 'application/x-ndjson' }, 422, ''],
  ['one event as a batch', '/audit/batch', { body: event }, 422, ''],
  ['a bad NDJSON line', '/audit/batch', { body: `${json}\n{`, type: 'application/x-ndjson' }, 400, null],
  ['10,001 events', '/audit/batch', { body: `${'{}\n'.repeat(10_001)}`, type: 'application/x-ndjson' }, 422, ''],
  ['an id twice', '/audit/batch', { body: [event, event] }, 422, '[1].id'],
  ['another charset', '/audit', { body: json, type: 'application/json; charset=iso-8859-1' }, 415, null],
  [
    'U+0000 hidden behind a repeated name',
    '/audit',
    { body: json.replace('{"max_budget":25}', '{"a":"x\\u0000","a":1}') },
    422,
    'updated_values',
  ],
];

test.each(wrongBodies)('%s is a clear 4xx and stores nothing', async (_what, path, options, status, where) => {
  const before = await count();
  const answer = await api.request(path, options);
  expect(answer.status).toBe(status);
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(answer.body).toMatchObject({ type: 'about:blank', status, detail: expect.stringMatching(/\.$/) });
  expect(answer.body.errors.map(({ path: at }: { path: string }) => at)).toEqual(where === null ? [] : [where]);
  expect(await count()).toBe(before);
});

test('a hundred requests at once are each answered with their own event', async () => {
  const events = someEvents(100);
  const answers = await Promise.all(events.map((body) => api.request('/audit', { body })));
  expect(answers.map(({ status, body }) => [status, body.id])).toEqual(events.map(({ id }) => [201, id]));
});

test('the answer names at most 100 problems, however many were sent', async () => {
  const unknown = Object.fromEntries(Array.from({ length: 50_000 }, (_, n) => [`field-${n}`, 1]));
  const one = await api.request('/audit', { body: { ...event, ...unknown } });
  expect(one.status).toBe(422);
  expect(one.body.errors).toHaveLength(100);
  const nuls = await api.request('/audit', { body: { ...event, updated_values: Array(50_000).fill('\0') } });
  expect(nuls.status).toBe(422);
  expect(nuls.body.errors).toHaveLength(100);
});

test('a context is stored and returned', async () => {
  const context = { ip: '192.0.2.1', request_id: 'r-1', nested: { n: [1, null] } };
  const posted = await api.request('/audit', { body: { ...anEvent(), context } });
  expect(posted).toMatchObject({ status: 201, body: { context } });
  expect((await api.request(`/audit/${posted.body.id}`)).body.context).toEqual(context);
});

test('while the sequence of outbox ids is behind its rows, as after a copy without it, a write is a 503 that stores nothing', async () => {
  const own = await createApiFixture();
  await own.request('/audit', { body: anEvent() });
  await own.db.sql`select setval('auditbox.outbox_id_seq', 1, false)`;
  const { status, headers } = await own.request('/audit', { body: anEvent() });
  expect(status).toBe(503);
  expect(headers.get('retry-after')).toBe('1');
  expect(await own.db.sql`select from auditbox.audit_log`).toHaveLength(1);
  await own.db.close(1_000);
});
