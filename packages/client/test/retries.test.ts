import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AuditClient, createClient } from '@auditbox/client/audit-client.ts';
import { cursorFile } from '@auditbox/client/cursor-file.ts';
import { chooseWait } from '@auditbox/client/retry.ts';
import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type ApiFixture, createApiFixture, masterKey, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

let api: ApiFixture;
beforeAll(async () => {
  api = await createApiFixture();
});
afterAll(() => api.close());

const withoutId = (table_name: string) => ({ ...anEvent({ table_name }), id: null });

/** A server that answers in its own way, and counts requests. */
async function startServer(answer: Parameters<typeof createServer>[1]) {
  let requests = 0;
  const server = createServer((request, response) => {
    requests += 1;
    answer?.(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: () => requests,
    close: () => server.close().closeAllConnections(),
  };
}

test('calls survive an api that is killed and starts again, and each event is stored once', async () => {
  const settings = { PORT: String(await findFreePort()) };
  const first = await startApi(urlAs('api', api.db.url), settings);
  const client = createClient({ baseUrl: first.url, key: masterKey });
  await client.write(anEvent({ table_name: 'restart' }));
  let isOver = false;
  // Calls of every kind, one after the other, before, while and after the api is away.
  const writing = Promise.all(
    [1, 2, 3, 4].map(async () => {
      const ids: string[] = [];
      while (!isOver) {
        ids.push((await client.write(withoutId('restart'))).id);
        ids.push(...(await client.writeBatch([withoutId('restart'), withoutId('restart')])).ids);
        ids.push(...((await client.writeEach([withoutId('restart')])).ids as string[]));
        expect((await client.list({ table_name: ['restart'] })).audit_logs.length).toBeGreaterThan(0);
        const rows = await client.export({ table_name: ['restart'] });
        // A stream that has begun cannot be repeated by the client.
        await new Response(rows).text().catch(() => '');
      }
      return ids;
    }),
  );
  for (let kill = 0; kill < 2; kill += 1) {
    await client.write(anEvent({ table_name: 'restart' }));
    first.app.signal('SIGKILL');
    await first.app.ended;
    await expect(createClient({ baseUrl: first.url, key: masterKey, retryForMs: 0 }).list()).rejects.toMatchObject({
      code: 'AUDITBOX_API_UNREACHABLE',
    });
    Object.assign(first, await startApi(urlAs('api', api.db.url), settings));
  }
  await client.write(anEvent({ table_name: 'restart' }));
  isOver = true;
  const ids = (await writing).flat();
  const rows = await api.db.sql<{ id: string }[]>`select id from auditbox.audit_log where table_name = 'restart'`;
  // Four events of this test are not in the list.
  expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
  expect(ids.filter((id) => !rows.some((row) => row.id === id))).toEqual([]);
  expect(rows).toHaveLength(ids.length + 4);
});

test('an error names its code and its request, which the log of the api names too', async () => {
  const client = createClient({ baseUrl: api.url, key: masterKey });
  const error = await client.write({ ...anEvent(), action: 'exploded' }).catch((error) => error);
  expect(error).toMatchObject({ status: 422, problemCode: 'invalid-event', requestId: error.problem.request_id });
  expect(error.message).toContain(error.requestId);
  expect(await api.app.event('request', (line) => JSON.stringify(line).includes(error.requestId))).toBeDefined();
});

test('a call ends its retries when its time is over, at once for an error that stays, and when it is aborted', async () => {
  const busy = await startServer((_request, response) =>
    response.writeHead(503, { 'x-request-id': 'from-a-proxy' }).end('busy'),
  );
  const client = createClient({ baseUrl: busy.url, key: masterKey, retryForMs: 3_000 });
  await expect(client.list()).rejects.toMatchObject({
    status: 503,
    problemCode: 'unavailable',
    requestId: 'from-a-proxy',
  });
  expect(busy.requests()).toBeGreaterThan(1);
  const before = busy.requests();
  await expect(client.list({}, { retryForMs: 0 })).rejects.toMatchObject({ status: 503 });
  expect(busy.requests()).toBe(before + 1);

  const stop = new AbortController();
  const calls = [
    client.list({}, { signal: stop.signal, retryForMs: 60_000 }),
    client.write(anEvent(), { signal: stop.signal, retryForMs: 60_000 }),
    client.writeBatch([anEvent()], { signal: stop.signal, retryForMs: 60_000 }),
    client.export({}, { signal: stop.signal, retryForMs: 60_000 }),
    client.events({}, { signal: stop.signal, retryForMs: 60_000 }).next(),
  ].map((call) => call.catch((error) => error));
  await eventually(() => expect(busy.requests()).toBeGreaterThan(before + 10));
  stop.abort(new Error('enough'));
  for (const error of await Promise.all(calls)) expect(error.message).toBe('enough');
  busy.close();

  const absent = await startServer((_request, response) => response.writeHead(404).end());
  await expect(createClient({ baseUrl: absent.url, key: masterKey }).list()).rejects.toMatchObject({ status: 404 });
  expect(absent.requests()).toBe(1);
  absent.close();
});

test('waits are spread between zero and a limit that doubles, so clients do not come back together', () => {
  for (const [failures, longestMs] of [
    [0, 100],
    [3, 800],
    [10, 5_000],
    [1_000, 5_000],
  ] as const) {
    const waits = Array.from({ length: 1_000 }, () => chooseWait(failures, null));
    expect(Math.max(...waits)).toBeLessThanOrEqual(longestMs);
    expect(Math.max(...waits)).toBeGreaterThan(longestMs * 0.9);
    expect(Math.min(...waits)).toBeLessThan(longestMs * 0.1);
  }
});

test('a Retry-After that is longer than the time of the call ends the call at once', async () => {
  const server = await startServer((_request, response) => response.writeHead(429, { 'retry-after': '3600' }).end());
  const client = createClient({ baseUrl: server.url, key: masterKey });
  await expect(client.list()).rejects.toMatchObject({ status: 429, retryAfterMs: 3_600_000 });
  expect(server.requests()).toBe(1);
  server.close();
});

test('a redirect is an error, because a write that follows it would become a read that succeeds', async () => {
  const page = await createClient({ baseUrl: api.url, key: masterKey }).list({ table_name: ['nothing'] });
  // As nginx answers in front of `location /audit/`.
  const server = await startServer(({ url }, response) =>
    url === '/audit/'
      ? response.setHeader('content-type', 'application/json').end(JSON.stringify(page))
      : response.writeHead(301, { location: '/audit/' }).end('moved'),
  );
  const client = createClient({ baseUrl: server.url, key: masterKey });
  const calls = [
    () => client.write(anEvent()),
    () => client.writeBatch([anEvent()]),
    () => client.list(),
    () => client.export(),
  ];
  for (const call of calls)
    await expect(call()).rejects.toMatchObject({
      status: 301,
      message: expect.stringContaining('redirect to /audit/'),
    });
  server.close();
});

test('a page of a proxy that succeeds is no answer, and the request is sent again', async () => {
  const page = await createClient({ baseUrl: api.url, key: masterKey }).list({ table_name: ['nothing'] });
  let pages = 0;
  const server = await startServer((_request, response) => {
    pages -= 1;
    if (pages >= 0) response.setHeader('content-type', 'text/html').end('<h1>Back soon</h1>');
    else response.setHeader('content-type', 'application/json; charset=utf-8').end(JSON.stringify(page));
  });
  const client = createClient({ baseUrl: server.url, key: masterKey, timeoutMs: Number.POSITIVE_INFINITY });
  pages = 2;
  expect(await client.list()).toMatchObject({ total: 0 });
  pages = 100;
  const calls = [
    () => client.write(anEvent(), { retryForMs: 0 }),
    () => client.writeEach([anEvent()], { retryForMs: 0 }),
    () => client.export({}, { retryForMs: 0 }),
  ];
  for (const call of calls)
    await expect(call()).rejects.toMatchObject({
      code: 'AUDITBOX_API_UNREACHABLE',
      message: expect.stringContaining('200 with the type "text/html" does not come from the api'),
    });
  pages = 2;
  const stop = new AbortController();
  const errors: unknown[] = [];
  const onError = (error: unknown) => void errors.push(error);
  const parts = client.poll({ recorded_after: '2020-01-01' }, { signal: stop.signal, intervalMs: 1, onError });
  const ended = parts.next();
  await eventually(() => expect(pages).toBeLessThan(-2));
  stop.abort();
  expect([(await ended).done, errors.length]).toEqual([true, 2]);
  server.close();
});

test('a problem document of another program and a Retry-After that is a date are understood', async () => {
  const server = await startServer((_request, response) =>
    response
      .writeHead(429, {
        'retry-after': new Date(Date.now() + 7_200_000).toUTCString(),
        'content-type': 'application/problem+json',
      })
      .end(JSON.stringify({ title: 'Busy', detail: 'Later.', status: 429, errors: { body: ['too many'] } })),
  );
  const client = createClient({ baseUrl: server.url, key: masterKey });
  const error = await client.list().catch((error) => error);
  expect(error).toMatchObject({ status: 429, problemCode: 'bad-request' });
  expect(error.retryAfterMs).toBeGreaterThan(3_600_000);
  expect(server.requests()).toBe(1);
  // A loop without end tries again sooner.
  expect(chooseWait(0, error, { longestAskedMs: 600_000 })).toBeLessThan(700_000);
  server.close();
});

test('a response that does not come, or breaks off, is an error that can be sent again', async () => {
  let answers = 0;
  const page = JSON.stringify(
    await createClient({ baseUrl: api.url, key: masterKey }).list({ table_name: ['nothing'] }),
  );
  const server = await startServer((_request, response) => {
    answers += 1;
    if (answers === 1) return;
    if (answers === 2) {
      response.writeHead(200, { 'content-length': '1000', 'content-type': 'application/json' }).write('{"aud');
      response.flushHeaders();
      setImmediate(() => response.destroy());
      return;
    }
    response.setHeader('content-type', 'application/json').end(page);
  });
  const client = createClient({ baseUrl: server.url, key: masterKey, timeoutMs: 3_000 });
  expect(await client.list({ table_name: ['nothing'] })).toMatchObject({ total: 0 });
  expect(answers).toBe(3);
  answers = 0;
  const error = await client.list({}, { retryForMs: 0 }).catch((error) => error);
  expect(error).toMatchObject({ code: 'AUDITBOX_API_UNREACHABLE', message: expect.stringContaining('3000 ms') });
  server.close();
});

test('a program that writes again with its Idempotency-Key stores nothing twice', async () => {
  const client = createClient({ baseUrl: api.url, key: masterKey });
  const options = { idempotencyKey: 'import of 2026-07-03' };
  const others = { idempotencyKey: 'import of 2026-07-04' };
  const event = withoutId('key');
  const once = await client.write(event, options);
  expect((await client.write(event, options)).id).toBe(once.id);
  const events = [withoutId('keys'), withoutId('keys')];
  const { ids } = await client.writeBatch(events, others);
  expect(await client.writeBatch(events, others)).toMatchObject({ created: 0, existing: 2, ids });
});

test('a batch whose events stand for themselves stores the good ones and names the others', async () => {
  const client: AuditClient = createClient({ baseUrl: api.url, key: masterKey });
  const good = anEvent({ table_name: 'each' });
  const written = await client.writeEach([{ ...anEvent(), action: 'exploded' }, good]);
  expect(written).toMatchObject({ created: 1, ids: [null, good.id], errors: [{ path: '[0].action' }] });
});

test('a poll with a cursor store continues after a restart, and repeats only the part that was not processed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cursor-'));
  const client = createClient({ baseUrl: api.url, key: masterKey });
  const events = someEvents(12, { table_name: 'placed' });
  await api.db.store(events);
  const query = { recorded_after: '2020-01-01', table_name: ['placed'], page_size: 5 };
  const run = async (parts: number) => {
    const stop = new AbortController();
    const cursorStore = cursorFile(join(folder, 'cursor'));
    const seen: string[][] = [];
    for await (const { events } of client.poll(query, { signal: stop.signal, intervalMs: 20, cursorStore })) {
      seen.push(events.map(({ id }) => id));
      // Like a program that dies while it processes this part.
      if (seen.length === parts) break;
    }
    return seen;
  };
  const first = await run(2);
  const second = await run(2);
  expect(second[0]).toEqual(first[1]);
  expect([...(first[0] ?? []), ...second.flat()].sort()).toEqual(events.map(({ id }) => id).sort());
  await rm(folder, { recursive: true });
});
