import { randomUUID } from 'node:crypto';
import { type ClientRequest, request as send } from 'node:http';
import { connect } from 'node:net';
import { bestOf } from '@auditbox/testing/expectations/best-of.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type ApiFixture, createApiFixture, masterKey, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { lockAuditLog } from '@auditbox/testing/fixtures/lock-audit-log.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

/* Limits of memory and of time: what is beyond them is refused or cut off, and what they hold is given back. */

let api: ApiFixture;
beforeAll(async () => {
  api = await createApiFixture();
});
afterAll(() => api.close());

const start = (settings: Record<string, string>) => startApi(urlAs('api', api.db.url), settings);

async function makeKey(): Promise<string> {
  const made = await api.request('/keys', { body: { name: randomUUID(), scopes: ['read', 'write'] } });
  expect(made.status, made.text).toBe(201);
  return made.body.key;
}

test('bytes in flight are limited over all keys together, and are given back', async () => {
  const least = String(16 * 1024 * 1024);
  const own = await start({ HTTP_BYTES_IN_FLIGHT: least, HTTP_BYTES_IN_FLIGHT_PER_KEY: least });
  /** Holds an unfinished body open. It is sent again while it is refused, because another body was there first. */
  const holdBody = (key: string, bytes: number): { release(): void } => {
    const part = Buffer.alloc(bytes, ' ');
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'content-length': bytes + 1 };
    let isHeld = true;
    let request: ClientRequest;
    const begin = () => {
      request = send(`${own.url}/audit/batch`, { method: 'POST', agent: false, headers });
      request.on('error', () => {}).once('close', () => isHeld && begin());
      request.on('response', () => request.destroy());
      request.write(part);
    };
    begin();
    return {
      release() {
        isHeld = false;
        request.destroy();
      },
    };
  };
  const large = someEvents(5, { updated_values: 'x'.repeat(900_000) });
  const key = await makeKey();
  const post = () => own.request('/audit/batch', { key, body: large });
  const holders = await Promise.all([makeKey(), makeKey(), makeKey()]);
  // After the keys, whose events would be the newest of the list.
  const one = anEvent({ updated_values: 'x'.repeat(1_000_000) });
  expect((await own.request('/audit', { key, body: one })).status).toBe(201);
  const sizes = [7_500_000, 7_500_000, 900_000];
  const held = holders.map((holder, index) => holdBody(holder, sizes[index] ?? 0));
  // Two of the bodies leave room for this event. So its refusal says that all three are held.
  await eventually(async () => expect((await own.request('/audit', { key, body: one })).status).toBe(429));
  await eventually(async () => {
    const { status, headers, body } = await post();
    expect(status).toBe(429);
    expect(headers.get('retry-after')).toBe('1');
    expect(body).toMatchObject({ code: 'too-many-bytes', detail: expect.stringContaining('of all requests') });
  });
  // An answer counts as a body does, whichever route gives it.
  for (const path of [`/audit/${one.id}`, '/audit?page_size=1&cursor=']) {
    const { status, body } = await own.request(path, { key });
    expect({ path, status, code: body.code }).toEqual({ path, status: 429, code: 'too-many-bytes' });
  }
  // What fits is answered, for the same key too.
  expect((await own.request('/audit', { key, body: anEvent() })).status).toBe(201);
  expect((await own.request('/audit?page_size=1', { key })).status).toBe(200);
  for (const { release } of held) release();
  await eventually(async () => expect([200, 201]).toContain((await post()).status));
  expect((await own.request(`/audit/${one.id}`, { key })).status).toBe(200);
  // Nothing of an answer or a body stays counted.
  for (let n = 0; n < 10; n += 1) expect((await post()).status).toBe(200);
});

test('an event of nearly the limit of bytes in flight, which only SQL can write, is answered on each route', async () => {
  const limit = 16 * 1024 * 1024;
  const own = await start({ HTTP_BYTES_IN_FLIGHT: String(limit), HTTP_BYTES_IN_FLIGHT_PER_KEY: String(limit) });
  const [row] = await api.db.sql<[{ id: string }]>`
    insert into auditbox.audit_log (occurred_at, changed_by, action, table_name, object_id, before_value)
    values (now(), 'ana', 'updated', 'huge', '1', json_build_object('text', repeat('x', ${limit - 500}::int)))
    returning id::text`;
  for (const path of [`/audit/${row.id}`, '/audit?table_name=huge&cursor=', '/audit/objects/huge/1']) {
    const { status, text } = await own.request(path);
    expect({ path, status, isWhole: text.length > limit - 500 }).toEqual({ path, status: 200, isWhole: true });
  }
});

test.concurrent.each(['of a declared length', 'in chunks'])(
  'a body %s that comes byte by byte is cut off after HTTP_REQUEST_TIMEOUT_MS, and stores nothing',
  async (form) => {
    const own = await start({ HTTP_REQUEST_TIMEOUT_MS: '1000', HTTP_HEADERS_TIMEOUT_MS: '1000' });
    const event = anEvent();
    const isChunked = form === 'in chunks';
    const length = isChunked ? 'Transfer-Encoding: chunked' : 'Content-Length: 100000';
    const frame = (text: string) => (isChunked ? `${text.length.toString(16)}\r\n${text}\r\n` : text);
    const socket = connect(Number(new URL(own.url).port), '127.0.0.1').on('error', () => {});
    let received = '';
    socket.on('data', (data) => (received += data.toString('latin1')));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write(
      `POST /audit HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${masterKey}\r\nContent-Type: application/json\r\n${length}\r\n\r\n`,
    );
    // A whole event, and then a blank now and then.
    socket.write(frame(JSON.stringify(event)));
    const drip = setInterval(() => socket.write(frame(' ')), 100);
    await closed;
    clearInterval(drip);
    expect(received).toMatch(/^HTTP\/1\.1 408 /);
    expect(received).toContain('"code":"request-timeout"');
    expect((await own.request(`/audit/${event.id}`)).status).toBe(404);
    expect((await own.request('/audit', { body: event })).status).toBe(201);
  },
);

test('filters that no index serves end after 5 s with a 503, and leave their connections free', async () => {
  const keys = [await makeKey(), await makeKey(), await makeKey()];
  const range = 'start_date=2026-07-01&end_date=2026-07-05&updated_values.a=1';
  const paths = [`/audit?${range}`, `/audit/stats?interval=day&${range}`, `/audit?recorded_after=2026-01-01&${range}`];
  const askAll = () => Promise.all(keys.flatMap((key) => paths.map((path) => api.request(path, { key }))));
  for (const { status } of await askAll()) expect(status).toBe(200);
  const expectEnd = async () => {
    const startedAt = performance.now();
    const { status, headers, body } = await api.request(paths[0] as string, { key: keys[0] as string });
    const ms = performance.now() - startedAt;
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toBe('1');
    expect(body).toMatchObject({ code: 'database-timeout', detail: expect.stringContaining('57014') });
    expect(ms).toBeGreaterThan(4_500);
    return ms;
  };
  const unlock = await lockAuditLog(api.db);
  // Other reads may take 10 s.
  expect(await bestOf(9_000, expectEnd)).toBeLessThan(9_000);
  for (const { status, headers, body } of await askAll()) {
    expect([status, headers.get('retry-after')]).toEqual([503, '1']);
    expect(['database-timeout', 'database-busy']).toContain(body.code);
  }
  const [{ active }] = await api.db.sql<[{ active: number }]>`
    select count(*)::int as active from pg_stat_activity
    where datname = current_database() and application_name = 'auditbox api reads' and state <> 'idle'`;
  expect(active).toBe(0);
  await unlock();
  for (const { status } of await askAll()) expect(status).toBe(200);
});
