import { randomUUID } from 'node:crypto';
import { type ApiFixture, createApiFixture } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent, someEvents, type WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

/* Who wrote an event, and whose id it is. */

let api: ApiFixture;
beforeAll(async () => {
  api = await createApiFixture();
});
afterAll(() => api.close());

async function makeKey(fields: object = {}): Promise<{ id: string; key: string; name: string }> {
  const name = `key-${randomUUID()}`;
  const { status, body } = await api.request('/keys', { body: { name, scopes: ['read', 'write'], ...fields } });
  expect(status).toBe(201);
  return body;
}

const post = (key: string, body: unknown, headers: Record<string, string> = {}) =>
  api.request('/audit', { key, body, headers });

test('recorded_by names the key, and a caller cannot give it', async () => {
  const { id, key, name } = await makeKey();
  const event = anEvent({ changed_by: 'ceo' });
  expect((await post(key, { ...event, recorded_by: 'key:other' })).status).toBe(422);
  expect((await post(key, event)).body.recorded_by).toBe(`key:${id}:${name}`);
  const found = await api.request(`/audit?recorded_by=key:${id}:${name}`);
  expect(found.body.audit_logs.map((each: WireEvent) => each.id)).toEqual([event.id]);
});

test('a key may name another API key as the author only if it was given that right', async () => {
  const [plain, signing] = [await makeKey(), await makeKey({ bounds: { signs_keys: true } })];
  const event = anEvent({ changed_by_api_key: 'hash-of-the-master-key' });
  expect(await post(plain.key, event)).toMatchObject({
    status: 403,
    body: { errors: [{ path: 'changed_by_api_key' }] },
  });
  expect((await post(plain.key, { ...event, changed_by_api_key: plain.id })).status).toBe(201);
  expect((await post(signing.key, { ...event, id: randomUUID() })).body.changed_by_api_key).toBe(
    'hash-of-the-master-key',
  );
  const { changed_by_api_key: _left, ...silent } = anEvent();
  expect((await post(plain.key, silent)).body.changed_by_api_key).toBe(plain.id);
});

test("an event outside of a key's bounds is a 403 that names the field and its place, and stores nothing", async () => {
  const { key } = await makeKey({ bounds: { changed_by: ['svc-*'], table_name: ['invoices'], oldest_event_days: 1 } });
  const right = anEvent({ changed_by: 'svc-a', table_name: 'invoices' });
  expect((await post(key, right)).status).toBe(201);
  const wrong = anEvent({ changed_by: 'ceo', table_name: 'teams' });
  expect(await post(key, wrong)).toMatchObject({
    status: 403,
    body: { errors: [{ path: 'changed_by' }, { path: 'table_name' }] },
  });
  const batch = [anEvent({ changed_by: 'svc-a', table_name: 'invoices' }), wrong];
  expect(await api.request('/audit/batch', { key, body: batch })).toMatchObject({
    status: 403,
    body: { errors: [{ path: '[1].changed_by' }, { path: '[1].table_name' }] },
  });
  expect((await api.request(`/audit/${batch[0]?.id}`)).status).toBe(404);
  const old = { ...right, id: randomUUID(), updated_at: new Date(Date.now() - 3 * 86_400_000).toISOString() };
  expect(await post(key, old)).toMatchObject({ status: 422, body: { errors: [{ path: 'updated_at' }] } });
});

test.each([
  ['changed_by', ''],
  ['changed_by', 'ana\u202egro.live'],
  ['table_name', 'te\u200bams'],
  ['changed_by_api_key', 'a\u0007'],
  ['tenant', 'acme\n'],
  ['changed_by', ' '],
  ['changed_by', '\u3164'],
  ['changed_by', 'ceo\ufe00'],
  ['table_name', '\u00a0'],
  ['changed_by_api_key', 'a\u034f'],
  ['tenant', '\u2800'],
])('%s %j is a 422 that names the field', async (field, value) => {
  expect(await api.request('/audit', { body: { ...anEvent(), [field]: value } })).toMatchObject({
    status: 422,
    body: { errors: [{ path: field }] },
  });
});

test("another writer's id is a 409 in the same words whatever it holds, and shows nothing of the event", async () => {
  const [mine, theirs] = [await makeKey(), await makeKey({ scopes: ['write'] })];
  const event = anEvent({ updated_values: { note: 'not for you' } });
  expect((await post(mine.key, event)).status).toBe(201);
  const [same, other] = [await post(theirs.key, event), await post(theirs.key, anEvent({ id: event.id }))];
  expect(same).toMatchObject({ status: 409, body: { errors: [{ path: 'id' }] } });
  const wordsOf = ({ body: { request_id: _id, ...words } }: typeof same) => words;
  expect(wordsOf(other)).toEqual(wordsOf(same));
  expect(same.text).not.toContain('not for you');
});

test("another writer's id in a batch refuses the batch, and with partial=true that event alone", async () => {
  const [mine, theirs] = [await makeKey(), await makeKey()];
  const taken = anEvent();
  await post(mine.key, taken);
  const [first, last] = [anEvent(), anEvent()];
  const invalid = { ...anEvent(), action: 'zapped' };
  const body = [first, taken, invalid, last];
  expect(await api.request('/audit/batch', { key: theirs.key, body: [first, taken, last] })).toMatchObject({
    status: 409,
    body: { errors: [{ path: '[1].id' }] },
  });
  const partial = () => api.request('/audit/batch?partial=true', { key: theirs.key, body });
  expect(await partial()).toMatchObject({
    status: 201,
    body: {
      created: 2,
      existing: 0,
      ids: [first.id, null, null, last.id],
      errors: [{ path: '[1].id' }, { path: '[2].action' }],
    },
  });
  expect(await partial()).toMatchObject({ status: 200, body: { created: 0, existing: 2 } });
  expect((await api.request(`/audit/${last.id}`)).status).toBe(200);
  const refused = await api.request('/audit/batch?partial=true', { key: theirs.key, body: [taken] });
  expect(refused).toMatchObject({ status: 422, body: { errors: [{ path: '[0].id' }] } });
});

test.each([
  ['array', 'application/json', (events: readonly string[]) => `[${events.join(' , ')}]`],
  ['lines', 'application/x-ndjson', (events: readonly string[]) => events.join('\n')],
])('with partial=true an event larger than 1 MiB is refused alone (%s)', async (_form, type, join) => {
  const [first, last] = [anEvent(), anEvent()];
  const pad = (length: number) => ({ a: ['x\\"]}'.repeat(length / 5), { b: '' }] });
  const [large, huge] = [anEvent({ context: pad(1_100_000) }), anEvent({ context: pad(3_000_000) })];
  const body = join([first, large, huge, last].map((event) => JSON.stringify(event)));
  const post = (path: string) => api.request(path, { body, type });
  const message = 'is larger than 1048576 bytes';
  const errors = ['[1]', '[2]'].map((path) => ({ path, message }));
  expect(await post('/audit/batch')).toMatchObject({ status: 422, body: { errors: errors.slice(0, 1) } });
  expect((await post('/audit/batch?partial=true&dry_run=true')).body).toMatchObject({
    events: [{ id: first.id }, null, null, { id: last.id }],
    errors,
  });
  expect(await post('/audit/batch?partial=true')).toMatchObject({
    status: 201,
    body: { created: 2, existing: 0, ids: [first.id, null, null, last.id], errors },
  });
  expect((await api.request(`/audit/${last.id}`)).status).toBe(200);
});

test('a partial batch across statements keeps its order', async () => {
  const events = someEvents(1_203).map((event, index) => (index % 400 === 7 ? { ...event, action: 'zapped' } : event));
  const { status, body } = await api.request('/audit/batch?partial=true', { body: events });
  expect(status).toBe(201);
  expect(body.created).toBe(1_200);
  expect(body.ids).toEqual(events.map(({ id, action }) => (action === 'zapped' ? null : id)));
});

test('a key that may only write gets the id back and nothing else', async () => {
  const { key } = await makeKey({ scopes: ['write'] });
  const event = anEvent();
  for (const status of [201, 200]) expect(await post(key, event)).toMatchObject({ status, body: { id: event.id } });
  expect(Object.keys((await post(key, event)).body)).toEqual(['id']);
});

test('the same event with its members in another order is the same event', async () => {
  const event = anEvent({ updated_values: { a: 1, b: [{ c: 2, d: 3 }] } });
  await api.request('/audit', { body: event });
  const again = { ...event, updated_values: { b: [{ d: 3, c: 2 }], a: 1 } };
  expect((await api.request('/audit', { body: again })).status).toBe(200);
});

test('with an Idempotency-Key a request without ids is stored once, and another body is a 422', async () => {
  const { id: _id, ...event } = anEvent();
  const headers = { 'idempotency-key': `"${randomUUID()}"` };
  const first = await api.request('/audit', { body: event, headers });
  expect(first.status).toBe(201);
  expect(await api.request('/audit', { body: event, headers })).toMatchObject({ status: 200, body: first.body });
  const other = await api.request('/audit', { body: { ...event, object_id: 'other' }, headers });
  expect(other).toMatchObject({ status: 422, body: { errors: [{ path: 'Idempotency-Key' }] } });
});

test('one Idempotency-Key sent twenty times at once stores one event, and is separate for each key', async () => {
  const { id: _id, ...event } = anEvent();
  const headers = { 'idempotency-key': randomUUID() };
  const answers = await Promise.all(Array.from({ length: 20 }, () => api.request('/audit', { body: event, headers })));
  expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  const { key } = await makeKey();
  expect((await post(key, event, headers)).status).toBe(201);
});

test('an Idempotency-Key covers a batch as a whole', async () => {
  const body = someEvents(5).map(({ id: _id, ...event }) => event);
  const headers = { 'idempotency-key': `"${randomUUID()}"` };
  const send = (events: unknown[], query = '') => api.request(`/audit/batch${query}`, { body: events, headers });
  const first = await send(body);
  expect(first).toMatchObject({ status: 201, body: { created: 5 } });
  expect(await send(body)).toMatchObject({ status: 200, body: { existing: 5, ids: first.body.ids } });
  const longer = [...body, { ...body[0], object_id: 'more' }];
  expect(await send(longer)).toMatchObject({ status: 422, body: { errors: [{ path: 'Idempotency-Key' }] } });
});

test('an event that was given the id that another event of its batch derives is refused, and no event is lost', async () => {
  const { id: _id, ...event } = anEvent();
  const headers = { 'idempotency-key': randomUUID() };
  const send = (query: string, body: unknown) => api.request(`/audit/batch${query}`, { body, headers });
  const { body: dry } = await send('?dry_run=true', [event]);
  const body = [event, { ...anEvent(), id: dry.events[0].id, object_id: 'second' }];
  const errors = [{ path: '[1].id', message: 'is the id of [0] too' }];
  expect(await send('', body)).toMatchObject({ status: 422, body: { errors } });
  expect((await send('?dry_run=true', body)).body).toMatchObject({ events: [{ id: dry.events[0].id }, null], errors });
  expect(await send('?partial=true', body)).toMatchObject({
    status: 201,
    body: { created: 1, existing: 0, ids: [dry.events[0].id, null], errors },
  });
});

test.each(['""', '"a', 'a b', '"ž"', 'x'.repeat(256)])('the Idempotency-Key %s is a 400', async (value) => {
  const headers = { 'idempotency-key': Buffer.from(value).toString('latin1') };
  expect((await api.request('/audit', { body: anEvent(), headers })).status).toBe(400);
});
