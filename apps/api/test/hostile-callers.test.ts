import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request as send } from 'node:http';
import { connect } from 'node:net';
import { constants as zlib, zstdCompressSync } from 'node:zlib';
import { connectDatabase } from '@auditbox/db/database/connect.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type ApiFixture, createApiFixture, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

/* What a caller found in an hour of attacks, with each kind of key. */

let api: ApiFixture;
beforeAll(async () => {
  api = await createApiFixture({ HTTP_STALL_TIMEOUT_MS: '2000' });
});
afterAll(() => api.close());

const another = (settings: Record<string, string> = {}) => startApi(urlAs('api', api.db.url), settings);

async function makeKey(body: object): Promise<{ id: string; key: string }> {
  const made = await api.request('/keys', { body: { name: `k-${randomUUID()}`, ...body } });
  expect(made.status, made.text).toBe(201);
  return made.body;
}

/** Runs changes of a key while its row is locked by a rotation that commits after all of them wait. */
async function duringRotation<T>(id: string, changes: readonly (() => Promise<T>)[]): Promise<T[]> {
  const secret = JSON.stringify({ hash: randomUUID().replaceAll('-', '').repeat(2), prefix: 'abx_live_0' });
  const waiting = async () => {
    const [row] = await api.db.sql<[{ n: number }]>`
      select count(*)::int as n from pg_stat_activity
      where wait_event_type = 'Lock' and query ~ '(rotate|revoke)_key' and datname = current_database()`;
    return row.n;
  };
  let running: Promise<T>[] = [];
  await api.db.sql.begin(async (tx) => {
    await tx`select auditbox.rotate_key(${id}::uuid, ${secret}::text::json, 60)`;
    running = changes.map((change) => change());
    await eventually(async () => expect(await waiting()).toBe(changes.length));
  });
  return Promise.all(running);
}

const validSecrets = (id: string) =>
  api.db.sql`select id from auditbox.api_key where key_id = ${id}::uuid and revoked_at is null`;

test('a key that is revoked while it is rotated is revoked with its new secret', async () => {
  const { id } = await makeKey({ scopes: ['read'] });
  const [answer] = await duringRotation(id, [() => api.request(`/keys/${id}`, { method: 'DELETE' })]);
  expect(answer?.status).toBe(204);
  expect(await validSecrets(id)).toHaveLength(0);
});

test('a key that is rotated while it is rotated has both new secrets, one after the other', async () => {
  const { id } = await makeKey({ scopes: ['read'] });
  const [answer] = await duringRotation(id, [
    () => api.request(`/keys/${id}/rotate`, { body: { overlap_seconds: 60 } }),
  ]);
  expect(answer?.status).toBe(201);
  expect(await validSecrets(id)).toHaveLength(3);
  expect((await api.request('/audit', { key: answer?.body.key })).status).toBe(200);
});

test('of a key that is created, rotated and revoked by many at once no secret stays valid', async () => {
  const name = `raced-${randomUUID()}`;
  const made = await Promise.all(
    Array.from({ length: 5 }, () => api.request('/keys', { body: { name, scopes: ['read'] } })),
  );
  expect(made.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409]);
  const { id } = made.find(({ status }) => status === 201)?.body ?? {};
  const rotate = () => api.request(`/keys/${id}/rotate`, { body: { overlap_seconds: 60 } });
  const revoke = () => api.request(`/keys/${id}`, { method: 'DELETE' });
  const answers = await Promise.all([rotate(), rotate(), revoke(), rotate(), revoke(), rotate()]);
  for (const { status } of answers) expect([201, 204, 404]).toContain(status);
  expect(answers.filter(({ status }) => status === 204)).toHaveLength(1);
  expect(await validSecrets(id)).toHaveLength(0);
});

test('a revoked key makes no key, takes none and replays nothing, although it was used a moment ago', async () => {
  const { id, key } = await makeKey({ scopes: ['admin'] });
  const victim = await makeKey({ scopes: ['read'] });
  const other = await another();
  expect((await other.request('/keys', { key })).status).toBe(200);
  expect((await api.request(`/keys/${id}`, { method: 'DELETE' })).status).toBe(204);
  const tries = [
    other.request('/keys', { key, body: { name: `by-revoked-${id}`, scopes: ['admin'] } }),
    other.request(`/keys/${victim.id}/rotate`, { key, body: {} }),
    other.request(`/keys/${victim.id}`, { key, method: 'DELETE' }),
    other.request('/exports/replay', { key, body: { destination: 's3' } }),
  ];
  expect((await Promise.all(tries)).map(({ status }) => status)).toEqual([401, 401, 401, 401]);
  expect((await api.request('/audit', { key: victim.key })).status).toBe(200);
});

/** A request whose head the api has read, and whose body is still to come. */
async function beginPost(
  path: string,
  key: string,
): Promise<{ write(text: string): void; end(text: string): Promise<number> }> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', expect: '100-continue' };
  const request = send(`${api.url}${path}`, { method: 'POST', headers, agent: false });
  const answered = once(request, 'response') as Promise<[IncomingMessage]>;
  request.flushHeaders();
  await once(request, 'continue');
  return {
    write: (text) => void request.write(text),
    async end(text) {
      request.end(text);
      const [answer] = await answered;
      answer.resume();
      return answer.statusCode ?? 0;
    },
  };
}

test('a key that is revoked while the bodies of its requests arrive changes, replays and stores nothing', async () => {
  const { id, key } = await makeKey({ scopes: ['admin'] });
  const victim = await makeKey({ scopes: ['read'] });
  const [name, event] = [`by-revoked-${id}`, anEvent()];
  const posts: [string, unknown][] = [
    ['/keys', { name, scopes: ['admin'] }],
    [`/keys/${victim.id}/rotate`, { overlap_seconds: 0 }],
    ['/exports/replay', { destination: 's3' }],
    ['/audit', event],
    ['/audit/batch', [event]],
    ['/audit/batch?partial=true', [event]],
  ];
  // The api knows the key from now on, so that it lets the beginnings pass at once.
  expect((await api.request('/me', { key })).status).toBe(200);
  const begun = await Promise.all(posts.map(([path]) => beginPost(path, key)));
  const begunAt = performance.now();
  expect((await api.request(`/keys/${id}`, { method: 'DELETE' })).status).toBe(204);
  await eventually(async () => {
    // A body that stands still is cut off. Blanks may stand in front of JSON.
    for (const { write } of begun) write(' ');
    // A body that takes less than a second has its key looked up no second time where it only stores events.
    expect(performance.now() - begunAt).toBeGreaterThan(1_500);
    expect((await api.request('/me', { key })).status).toBe(401);
  });
  const statuses = await Promise.all(begun.map(({ end }, n) => end(JSON.stringify(posts[n]?.[1]))));
  expect(statuses).toEqual(posts.map(() => 401));
  expect((await api.request('/me', { key: victim.key })).status).toBe(200);
  expect((await api.request(`/audit/${event.id}`)).status).toBe(404);
  expect((await api.request('/keys', { body: { name, scopes: ['read'] } })).status).toBe(201);
});

test('with AUDIT_READS no parameter hides the read of an event', async () => {
  const { request } = await another({ AUDIT_READS: 'true' });
  const { id, key } = await makeKey({ scopes: ['read'] });
  const events = [anEvent(), anEvent(), anEvent()];
  await api.request('/audit/batch', { body: events });
  for (const event of events)
    for (const path of [`/audit/${event.id}`, `/audit/${event.id}/proof`])
      await request(`${path}?recorded_after=2026-01-01`, { key });
  const { body } = await api.request(`/audit?action=read&changed_by_api_key=${id}&page_size=100`);
  expect(body.audit_logs.map(({ object_id }: { object_id: string }) => object_id).sort()).toEqual([
    ...Array(3).fill('GET /audit/:id'),
    ...Array(3).fill('GET /audit/:id/proof'),
  ]);
});

/** Sends text over a connection, and resolves to what arrived until the other side closed it, or until `until` holds. */
async function talk(url: string, text: string, until: (received: string) => boolean = () => false): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let received = '';
  const done = new Promise<void>((resolve) => {
    socket.on('data', (data) => {
      received += data.toString('latin1');
      if (until(received)) resolve();
    });
    socket.once('close', resolve).once('error', () => resolve());
  });
  socket.write(text);
  await done;
  socket.destroy();
  return received;
}

const ask = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;

test('requests that arrive together are answered one after the other, and too many break their connection', async () => {
  const few = await talk(api.url, ask('/livez').repeat(10) + ask('/livez', 'Connection: close\r\n'));
  expect(few.split('HTTP/1.1 200 OK')).toHaveLength(12);
  const many = await talk(api.url, ask('/livez').repeat(5_000));
  expect(many.split('HTTP/1.1 200 OK').length).toBeLessThan(30);
});

test.each([
  ['expires_at', '0000-01-01T00:00:00Z'],
  ['expires_at', '9999-12-31T23:59:59-23:59'],
  ['expires_at', '2027-01-01'],
  ['expires_at', '2027-01-01T00:00:00'],
  ['expires_at', '2027-01-01T23:58:60Z'],
  ['from', '0000-12-31T00:00:00Z'],
  ['to', '2026-02-30T00:00:00Z'],
])('a %s of %s is a 422', async (name, time) => {
  expect(await postTime(name, time)).toMatchObject({ status: 422, body: { errors: [{ path: name }] } });
});

async function postTime(name: string, time: string) {
  const isKey = name === 'expires_at';
  const body = isKey ? { name: `k-${randomUUID()}`, scopes: ['read'] } : { destination: 's3', dry_run: true };
  await api.db.sql`insert into auditbox.destination (name) values ('s3') on conflict do nothing`;
  return api.request(isKey ? '/keys' : '/exports/replay', { body: { ...body, [name]: time } });
}

test.each([
  ['2099-12-31T23:59:60Z', '2099-12-31T23:59:59.999999Z'],
  ['2100-01-01T00:59:60+01:00', '2099-12-31T23:59:59.999999Z'],
  ['2099-01-01T00:00:00+23:59', '2098-12-31T00:01:00Z'],
  ['2099-01-01t00:00:00.123456789z', '2099-01-01T00:00:00.123456Z'],
])('every time of RFC 3339 is a time of a key and of a replay: %s', async (time, instant) => {
  const { status, body } = await postTime('expires_at', time);
  expect(status).toBe(201);
  const [stored] = await api.db.sql<{ same: boolean }[]>`
    select expires_at = ${instant}::text::timestamptz as same from auditbox.api_key where key_id = ${body.id}::uuid`;
  expect(stored).toEqual({ same: true });
  for (const name of ['from', 'to']) expect((await postTime(name, time)).status).toBe(200);
});

test('a proxy that names a caller by something that is not an address causes no error', async () => {
  const { request } = await another({ TRUSTED_PROXIES: '127.0.0.1' });
  const { key } = await makeKey({ scopes: ['read'], bounds: { addresses: ['192.0.2.0/24', 'fe80::/10'] } });
  const status = async (forwarded: string) =>
    (await request('/audit', { key, headers: { 'x-forwarded-for': forwarded } })).status;
  for (const forwarded of ['unknown', '_hidden', '192.0.2.7:4711', '[fe80::1]', '', ',', "'; --", 'x'.repeat(8_000)])
    expect(await status(forwarded), forwarded).toBe(403);
  for (const forwarded of ['192.0.2.7', 'fe80::1', 'fe80::1%eth0']) expect(await status(forwarded)).toBe(200);
});

test('of two keys, types, encodings or Idempotency-Keys in the headers none is chosen', async () => {
  const { key } = await makeKey({ scopes: ['read', 'write'] });
  const body = JSON.stringify(anEvent());
  const post = async (...headers: string[]) => {
    const lines = [...headers, `Content-Length: ${body.length}`, 'Connection: close'].map((line) => `${line}\r\n`);
    const received = await talk(api.url, `POST /audit HTTP/1.1\r\nHost: x\r\n${lines.join('')}\r\n${body}`);
    return received.slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length);
  };
  const [mine, other, json] = [
    `Authorization: Bearer ${key}`,
    'Authorization: Bearer x',
    'Content-Type: application/json',
  ];
  expect(await post(mine, other, json)).toBe('401');
  expect(await post(other, mine, json)).toBe('401');
  expect(await post(mine, json, 'Content-Type: text/plain')).toBe('415');
  expect(await post(mine, json, 'Content-Encoding: identity', 'Content-Encoding: gzip')).toBe('415');
  expect(await post(mine, json, 'Idempotency-Key: "a"', 'Idempotency-Key: "b"')).toBe('400');
  expect(await post(mine, json, `Content-Length: ${body.length}`)).toBe('400');
  expect(await post(mine, json)).toBe('201');
});

test('a caller cannot push the header of a proxy behind the last header that is read', async () => {
  const { url } = await another({ TRUSTED_PROXIES: '127.0.0.1' });
  const { key } = await makeKey({ scopes: ['read'], bounds: { addresses: ['127.0.0.0/8'] } });
  const status = async (headers: number, from: string) => {
    const text = `Authorization: Bearer ${key}\r\n${'A:\r\n'.repeat(headers)}X-Forwarded-For: ${from}\r\nConnection: close\r\n`;
    return (await talk(url, ask('/me', text))).slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length);
  };
  expect(await status(150, '127.0.0.2')).toBe('200');
  for (const headers of [0, 150]) expect(await status(headers, '203.0.113.9')).toBe('403');
  for (const headers of [250, 1_000, 1_996, 1_997, 2_100, 3_000])
    expect(await status(headers, '203.0.113.9')).toBe('431');
});

test('the addresses of an IPv6 network have one limit of failures together', async () => {
  const { request } = await another({ TRUSTED_PROXIES: '127.0.0.1', RATE_LIMIT_FAILED_KEYS: '10' });
  const status = async (from: string) =>
    (await request('/audit', { key: 'unknown', headers: { 'x-forwarded-for': from } })).status;
  // A failure counts when its answer has ended, so the limit may be noticed a little later.
  const statuses: number[] = [];
  for (let n = 0; n < 30; n += 1) statuses.push(await status(`2001:db8:1:2:${n}::${n}`));
  expect(statuses.slice(0, 10)).toEqual(Array(10).fill(401));
  expect(statuses.slice(20)).toEqual(Array(10).fill(429));
  expect(await status('2001:db8:1:3::1')).toBe(401);
});

test('a body of thousands of wrong values gets a problem with a hundred of them at most', async () => {
  const wrong = Array<string>(15_000).fill('?');
  for (const body of [
    { name: 'x', scopes: wrong },
    { name: 'x', scopes: ['read'], bounds: { addresses: wrong } },
  ]) {
    const answer = await api.request('/keys', { body });
    expect(answer.status).toBe(422);
    expect(answer.text.length).toBeLessThan(50_000);
  }
  const batch = await api.request('/audit/batch?partial=true', { body: Array(10_000).fill({}) });
  expect(batch.status).toBe(422);
  expect(batch.body.errors).toHaveLength(100);
});

test('keys are listed in pages, each of them once, also the ones with many bounds', async () => {
  const tenant = `t-${randomUUID()}`;
  const patterns = Array.from({ length: 100 }, (_, n) => `${n}-${'x'.repeat(200)}*`);
  const made = [];
  for (let n = 0; n < 60; n += 1)
    made.push((await makeKey({ scopes: ['read'], tenant, bounds: { table_name: patterns } })).id);
  const { key } = await makeKey({ scopes: ['keys:admin'], tenant });
  for (const size of ['', '&page_size=7']) {
    const found: string[] = [];
    let cursor: string | null = '';
    let pages = 0;
    while (cursor !== null) {
      const { status, text, body } = await api.request(`/keys?cursor=${cursor}${size}`, { key });
      expect(status).toBe(200);
      expect(text.length).toBeLessThan(1_200_000);
      found.push(...body.keys.map(({ id }: { id: string }) => id));
      cursor = body.next_cursor;
      pages += 1;
    }
    expect(found.slice(0, 60)).toEqual(made);
    expect(found).toHaveLength(61);
    expect(pages).toBe(size === '' ? 2 : 9);
  }
  for (const cursor of ['x', 'W10', Buffer.from('["2026-02-30T00:00:00.000000Z","a"]').toString('base64url')])
    expect((await api.request(`/keys?cursor=${cursor}`)).status).toBe(400);
});

test('an event whose name looks like a time that does not exist hides no page', async () => {
  const table_name = randomUUID();
  const names = ['2026-02-30T', '2026-02-30T00:00:00.000000Z', '0000-00-00T', 'z'];
  await api.db.store(names.map((changed_by) => anEvent({ table_name, changed_by, object_id: changed_by })));
  for (const by of ['changed_by', 'object_id']) {
    const found: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { status, body, text } = await api.request(
        `/audit?table_name=${table_name}&sort_by=${by}&page_size=1&cursor=${cursor}`,
      );
      expect(status, text).toBe(200);
      found.push(...body.audit_logs.map((log: { changed_by: string }) => log.changed_by));
      cursor = body.next_cursor;
    }
    expect(found.sort()).toEqual([...names].sort());
  }
});

test('a zstd body may have a window of 8 MiB and no larger one', async () => {
  const send = (windowLog: number) => {
    const body = zstdCompressSync(Buffer.from(JSON.stringify([anEvent({ updated_values: 'x'.repeat(100_000) })])), {
      params: { [zlib.ZSTD_c_windowLog]: windowLog },
      pledgedSrcSize: undefined,
    });
    return api.request('/audit/batch', { body: withWindow(body, windowLog), headers: { 'content-encoding': 'zstd' } });
  };
  expect((await send(23)).status).toBe(201);
  expect((await send(24)).status).toBe(400);
});

/** A frame that names its window instead of its size. */
function withWindow(frame: Buffer, windowLog: number): Buffer {
  const descriptor = frame[4] as number;
  const isSingle = (descriptor & 0x20) !== 0;
  const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6] as number;
  const body = frame.subarray(5 + (isSingle ? 0 : 1) + sizeBytes);
  return Buffer.concat([frame.subarray(0, 4), Buffer.from([descriptor & 0x04, (windowLog - 10) << 3]), body]);
}

test('replays that wait for the database delay no request of another key', async () => {
  const { key } = await makeKey({ scopes: ['export:replay'] });
  await api.db.sql`insert into auditbox.destination (name) values ('s3') on conflict do nothing`;
  const fresh = await Promise.all(Array.from({ length: 5 }, () => makeKey({ scopes: ['read'] })));
  const blocker = connectDatabase({
    url: api.db.url,
    application: 'test',
    maxConnections: 1,
    statementTimeoutMs: 60_000,
  });
  const { promise: end, resolve: unlock } = Promise.withResolvers<void>();
  const { promise: locked, resolve: reportLocked } = Promise.withResolvers<void>();
  const lock = blocker.sql.begin(async (tx) => {
    await tx`lock table auditbox.delivery in access exclusive mode`;
    reportLocked();
    await end;
  });
  await locked;
  const replays = Array.from({ length: 8 }, () =>
    api.request('/exports/replay', { key, body: { destination: 's3', dry_run: true } }),
  );
  try {
    await eventually(async () => {
      const [row] = await api.db.sql<[{ n: number }]>`
        select count(*)::int as n from pg_stat_activity
        where wait_event_type = 'Lock' and query ~ 'auditbox.delivery' and datname = current_database()`;
      expect(row.n).toBe(2);
    });
    // The lock is held until all of them are answered.
    for (const { key: one } of fresh) expect((await api.request('/audit', { key: one })).status).toBe(200);
  } finally {
    unlock();
    await lock;
    await Promise.all(replays);
    await blocker.close(1_000);
  }
});

test.each(['http://?x', 'http://', 'http://[::1', 'http://a:99999999/audit', '*', '//', '/%', '/audit\u00ff'])(
  'the request target %s gets a problem',
  async (target) => {
    const received = await talk(api.url, `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(received).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(received).toMatch(/content-type: application\/problem\+json/i);
    expect((await api.request('/livez')).status).toBe(200);
  },
);
