import { mkdtemp, writeFile } from 'node:fs/promises';
import { request as send } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type ApiFixture, createApiFixture, masterKey, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { lockAuditLog } from '@auditbox/testing/fixtures/lock-audit-log.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, expect, test } from 'vitest';

let api: ApiFixture;
/** Gives a request one second to arrive. */
let impatient: Awaited<ReturnType<typeof start>>;
beforeAll(async () => {
  api = await createApiFixture({
    PUBLIC_URL: 'https://audit.example.com/auditbox/',
    CORS_ORIGINS: 'https://app.example.com, http://localhost:3000',
    SECURITY_CONTACT: 'mailto:security@example.com',
  });
  impatient = await start({ HTTP_HEADERS_TIMEOUT_MS: '1000', HTTP_REQUEST_TIMEOUT_MS: '1000' });
});
afterAll(() => api.close());

const start = (settings: Record<string, string>) => startApi(urlAs('api', api.db.url), settings);

test('links begin with the path of PUBLIC_URL, and lead on whether a proxy removes the path or not', async () => {
  await api.db.store(someEvents(3, { object_id: 'linked' }));
  const first = await api.request('/audit?object_id=linked&page_size=2');
  const next = /^<(.*)>; rel="next"$/.exec(first.headers.get('link') ?? '')?.[1] ?? '';
  expect(next).toMatch(/^\/auditbox\/audit\?/);
  for (const path of [next, next.replace('/auditbox', '')])
    expect((await api.request(path)).body.audit_logs).toHaveLength(1);
  const posted = await api.request('/audit', { body: anEvent() });
  expect(posted.headers.get('location')).toBe(`/auditbox/audit/${posted.body.id}`);
  expect((await api.request('/auditbox/openapi.json')).body.servers).toEqual([{ url: '/auditbox' }]);
  const page = await api.request('/auditbox/docs');
  const named = [...page.text.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, url]) => url as string);
  expect(named.length).toBeGreaterThan(3);
  for (const url of named) {
    expect(url).toMatch(/^\/auditbox\//);
    expect((await api.request(url)).status).toBe(200);
  }
  expect((await api.request('/auditbox/docs/start.js')).text).toContain("'/auditbox/openapi.json'");
});

test('below a path that is also the beginning of routes, both kinds of proxies reach every route', async () => {
  const own = await start({ PUBLIC_URL: 'https://example.com/audit' });
  const { body: event } = await own.request('/audit/audit', { body: anEvent({ object_id: 'below-audit' }) });
  for (const path of [`/audit/${event.id}`, `/audit/audit/${event.id}`])
    expect((await own.request(path)).body.id, path).toBe(event.id);
  for (const path of ['/audit?object_id=below-audit', '/audit/audit?object_id=below-audit'])
    expect((await own.request(path)).body.audit_logs, path).toHaveLength(1);
  for (const path of ['/audit/stats', '/audit/audit/stats', '/audit/keys', '/keys', '/audit/docs/start.js'])
    expect((await own.request(path)).status, path).toBe(200);
});

test('the address without a path leads to the page, also below a path', async () => {
  const ask = async (path: string) => {
    const { status, headers } = await fetch(`${api.url}${path}`, { redirect: 'manual' });
    return { status, location: headers.get('location') };
  };
  for (const path of ['/', '/auditbox', '/auditbox/'])
    expect(await ask(path)).toEqual({ status: 303, location: '/auditbox/ui' });
});

test('the pages load below a path with signs that mean something in HTML and in scripts', async () => {
  const own = await start({ PUBLIC_URL: "https://example.com/it's$&co" });
  const page = await own.request('/docs', { key: null });
  const named = [...page.text.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, url]) => url as string);
  expect(named.length).toBeGreaterThan(3);
  for (const url of named) {
    expect(url).toMatch(/^\/it%27s%24%26co\//);
    expect((await own.request(url, { key: null })).status, url).toBe(200);
  }
  expect((await own.request('/docs/start.js', { key: null })).text).toContain("url: '/it%27s%24%26co/openapi.json'");
  expect((await own.request("/it's$&co/openapi.json", { key: null })).body.servers).toEqual([
    { url: '/it%27s%24%26co' },
  ]);
});

test('an origin counts as a browser writes it, and may read every header that the document names', async () => {
  const own = await start({ CORS_ORIGINS: 'https://App.Example.com:443' });
  const ask = (path: string) => own.request(path, { key: null, headers: { origin: 'https://app.example.com' } });
  const { headers, body: document } = await ask('/openapi.json');
  expect(headers.get('access-control-allow-origin')).toBe('https://app.example.com');
  const exposed = (headers.get('access-control-expose-headers') ?? '').toLowerCase().split(', ');
  const named = new Set<string>();
  JSON.stringify(document, (key, value) => {
    if (key === 'headers') for (const name of Object.keys(value)) named.add(name.toLowerCase());
    return value;
  });
  expect(named.size).toBeGreaterThan(5);
  expect([...named].filter((name) => !exposed.includes(name))).toEqual([]);
});

test('pages of the named origins may call the api, and no others', async () => {
  const ask = (origin: string, method = 'GET') =>
    api.request('/audit?object_id=none', {
      method,
      headers: { origin, ...(method === 'OPTIONS' && { 'access-control-request-method': 'POST' }) },
    });
  for (const origin of ['https://app.example.com', 'http://localhost:3000']) {
    expect((await ask(origin)).headers.get('access-control-allow-origin')).toBe(origin);
    const preflight = await ask(origin, 'OPTIONS');
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-headers')).toContain('authorization');
  }
  for (const origin of ['https://evil.example.com', 'null', 'https://app.example.com.evil.org'])
    expect((await ask(origin)).headers.get('access-control-allow-origin')).toBeNull();
  expect((await ask('https://app.example.com')).headers.get('vary')).toMatch(/origin/i);
});

test('every answer has a request id, keeps a safe one that was given, and its problem and the log name it', async () => {
  const given = await api.request('/audit?page=0', { headers: { 'x-request-id': 'from-the-proxy_1' } });
  expect(given.headers.get('x-request-id')).toBe('from-the-proxy_1');
  expect(given.body).toMatchObject({ code: 'bad-request', request_id: 'from-the-proxy_1' });
  await api.app.event('request', ({ requestId }) => requestId === 'from-the-proxy_1');
  for (const unsafe of ['a b', 'x'.repeat(65), '"}'])
    expect((await api.request('/livez', { headers: { 'x-request-id': unsafe } })).headers.get('x-request-id')).toMatch(
      /^[0-9a-f-]{36}$/,
    );
});

test('answers have the headers that a browser needs, and none about TLS over plain HTTP', async () => {
  for (const path of ['/audit?page=0', '/audit', '/livez', '/nothing']) {
    const { headers } = await api.request(path);
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect(headers.get('strict-transport-security')).toBeNull();
  }
});

/** Sends text over a connection, and resolves to the answer that came until the other side closed it. */
async function sendRaw(url: string, sent: string): Promise<{ status: number; headers: Headers; text: string }> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {});
  let received = '';
  socket.on('data', (data) => (received += data.toString('latin1')));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(sent);
  await closed;
  const [head = '', body = ''] = received.split('\r\n\r\n');
  const [first = '', ...lines] = head.split('\r\n');
  const headers = new Headers(lines.map((line) => line.split(/: (.*)/, 2) as [string, string]));
  return { status: Number(first.split(' ')[1]), headers, text: body };
}

const posted = `POST /audit HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${masterKey}\r\nContent-Type: application/json\r\n`;

test.concurrent.each([
  ['text that is not HTTP', 'hello\r\n\r\n', 400, 'bad-request'],
  ['a header without a name', 'GET /livez HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n', 400, 'bad-request'],
  ['no Host', 'GET /livez HTTP/1.1\r\n\r\n', 400, 'bad-request'],
  ['two lengths', `${posted}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`, 400, 'bad-request'],
  ['a chunk without a length', `${posted}Transfer-Encoding: chunked\r\n\r\nx\r\n`, 400, 'bad-request'],
  [
    'a chunk with a long extension',
    `${posted}Transfer-Encoding: chunked\r\n\r\n1;${'x'.repeat(20_000)}`,
    413,
    'too-large',
  ],
  ['a URL of 20 kB', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\n`, 431, 'headers-too-large'],
  ['a header of 20 kB', `GET /livez HTTP/1.1\r\nX: ${'x'.repeat(20_000)}`, 431, 'headers-too-large'],
  ['201 headers', `GET /livez HTTP/1.1\r\nHost: x\r\n${'X: y\r\n'.repeat(200)}\r\n`, 431, 'headers-too-large'],
  ['another expectation', 'GET /livez HTTP/1.1\r\nHost: x\r\nExpect: more\r\n\r\n', 417, 'expectation-failed'],
  ['headers that do not end', 'GET /livez HTTP/1.1\r\nHost: x\r\n', 408, 'request-timeout'],
  ['a body that does not end', `${posted}Content-Length: 9\r\n\r\n{`, 408, 'request-timeout'],
])(
  'what does not reach the app (%s) gets a problem with the headers of every answer',
  async (_what, sent, status, code) => {
    const usual = await impatient.request('/nothing');
    const answer = await sendRaw(impatient.url, sent);
    expect(answer.status).toBe(status);
    const common = [...usual.headers.keys()].filter(
      (name) => !['connection', 'keep-alive', 'date', 'vary'].includes(name),
    );
    for (const name of common)
      if (name !== 'content-length' && name !== 'x-request-id')
        expect([name, answer.headers.get(name)]).toEqual([name, usual.headers.get(name)]);
    expect(common).toEqual(expect.arrayContaining(['referrer-policy', 'cache-control', 'content-security-policy']));
    expect(answer.headers.get('connection')).toBe('close');
    expect(Number(answer.headers.get('content-length'))).toBe(answer.text.length);
    expect(JSON.parse(answer.text)).toMatchObject({ status, code, request_id: answer.headers.get('x-request-id') });
  },
);

test('text that is not HTTP behind a whole request changes nothing of its answer, and closes the connection', async () => {
  const event = anEvent();
  const body = JSON.stringify(event);
  const request = `${posted}Content-Length: ${body.length}\r\n\r\n${body}`;
  const answer = await sendRaw(api.url, `${request}hello\r\n\r\n`);
  expect([answer.status, answer.headers.get('connection')]).toEqual([201, 'close']);
  expect(JSON.parse(answer.text)).toMatchObject({ id: event.id });
});

test('HEAD is answered while nothing of the table can be read', async () => {
  const unlock = await lockAuditLog(api.db);
  const ask = async (path: string, key = masterKey) =>
    (await fetch(`${api.url}${path}`, { method: 'HEAD', headers: { authorization: `Bearer ${key}` } })).status;
  for (const path of ['/audit', '/audit/export', '/audit/stats']) expect(await ask(path)).toBe(200);
  expect(await ask('/audit', 'unknown')).toBe(401);
  await unlock();
});

test('security.txt names the contact, and expires within a year', async () => {
  const { text: found } = await api.request('/.well-known/security.txt', { key: null });
  expect(found).toContain('Contact: mailto:security@example.com\n');
  const expires = Date.parse(/^Expires: (.*)$/m.exec(found)?.[1] ?? '');
  expect(expires).toBeGreaterThan(Date.now());
  expect(expires).toBeLessThan(Date.now() + 365 * 86_400_000);
});

test('with ADMIN_PORT the metrics and the reference are on that port alone', async () => {
  const own = await start({ ADMIN_PORT: '0' });
  const { port } = await own.app.event('admin-listening');
  const admin = `http://127.0.0.1:${port}`;
  for (const path of ['/metrics', '/openapi.json', '/docs']) {
    expect((await own.request(path)).status, path).toBe(404);
    expect((await fetch(`${admin}${path}`)).status, path).toBe(200);
  }
  for (const path of ['/livez', '/readyz']) {
    expect((await own.request(path)).status).toBe(200);
    expect((await fetch(`${admin}${path}`)).status).toBe(200);
  }
  expect((await fetch(`${admin}/audit`, { headers: { authorization: `Bearer ${masterKey}` } })).status).toBe(404);
});

test('a key that used up its requests, events or bytes gets a 429 that says which, and when to try again', async () => {
  const own = await start({ RATE_LIMIT_REQUESTS: '8', RATE_LIMIT_EVENTS: '10', RATE_LIMIT_BYTES: '20000' });
  const first = await own.request('/audit', { body: anEvent() });
  expect(first.headers.get('ratelimit-policy')).toBe(
    '"requests";q=8;w=60, "events";q=10;w=60, "bytes";q=20000;w=60;qu="content-bytes"',
  );
  expect(first.headers.get('ratelimit')).toMatch(/^"requests";r=7;t=\d+, "events";r=9;t=\d+, "bytes";r=\d+;t=\d+$/);
  const refused = async (quota: string, body: unknown) => {
    const { status, headers, body: problem } = await own.request('/audit/batch', { body });
    expect(status).toBe(429);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(problem).toMatchObject({
      type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
      code: 'quota-exceeded',
      'violated-policies': [quota],
    });
  };
  await refused('events', someEvents(10));
  await refused('bytes', [anEvent({ updated_values: 'x'.repeat(20_000) })]);
  expect((await own.request('/audit/batch', { body: someEvents(9) })).status).toBe(201);
  for (let n = 0; n < 4; n += 1) expect((await own.request('/audit?object_id=none')).status).toBe(200);
  await refused('requests', someEvents(1));
  expect((await own.request('/livez', { key: null })).status).toBe(200);
});

test('an address that sends unknown keys gets a 429, and keys that were valid before go on from there', async () => {
  const own = await start({ RATE_LIMIT_FAILED_KEYS: '5' });
  expect((await own.request('/audit?object_id=none')).status).toBe(200);
  for (let n = 0; n < 5; n += 1) expect((await own.request('/audit', { key: `unknown-${n}` })).status).toBe(401);
  for (const key of ['unknown-0', 'unknown-9', null]) {
    const refused = await own.request('/audit', { key });
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  }
  expect((await own.request('/audit?object_id=none')).status).toBe(200);
  expect(
    (await own.request('/audit?object_id=none', { headers: { 'x-forwarded-for': '192.0.2.9' }, key: 'x' })).status,
  ).toBe(429);
});

test('behind a trusted proxy the address of the caller counts', async () => {
  const own = await start({ RATE_LIMIT_FAILED_KEYS: '2', TRUSTED_PROXIES: '127.0.0.1' });
  const ask = (address: string) =>
    own.request('/audit', { key: 'unknown', headers: { 'x-forwarded-for': address } }).then(({ status }) => status);
  expect([await ask('192.0.2.1'), await ask('192.0.2.1'), await ask('192.0.2.1')]).toEqual([401, 401, 429]);
  expect(await ask('192.0.2.2')).toBe(401);
});

const makeCertificate = async (name: string) => generate([{ name: 'commonName', value: name }]);

test.concurrent('the api speaks TLS, and uses changed certificates without a restart', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tls-'));
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const install = async (name: string) => {
    const pems = await makeCertificate(name);
    await writeFile(cert, pems.cert);
    await writeFile(key, pems.private);
  };
  await install('first.example.com');
  const own = await start({ TLS_CERT_FILE: cert, TLS_KEY_FILE: key, ADMIN_PORT: '0' });
  // The port for operators speaks plain HTTP.
  const { port } = await own.app.event('admin-listening');
  expect((await fetch(`http://127.0.0.1:${port}/livez`)).headers.get('strict-transport-security')).toBeNull();
  const ask = () =>
    new Promise<{ name: unknown; hsts: unknown }>((resolve, reject) => {
      const url = `${own.url.replace('http:', 'https:')}/livez`;
      const request = send(url, { rejectUnauthorized: false, agent: false }, (answer) => {
        const name = (answer.socket as TLSSocket).getPeerCertificate().subject.CN;
        void text(answer).then(() => resolve({ name, hsts: answer.headers['strict-transport-security'] }));
      });
      request.once('error', reject).end();
    });
  expect(await ask()).toEqual({ name: 'first.example.com', hsts: 'max-age=31536000' });
  await writeFile(key, 'not a key');
  await own.app.event('certificates-not-reloaded');
  expect(await ask()).toMatchObject({ name: 'first.example.com' });
  await install('second.example.com');
  await own.app.event('certificates-reloaded');
  await eventually(async () => expect(await ask()).toMatchObject({ name: 'second.example.com' }));
});

test.concurrent('with TLS_CLIENT_CA_FILE a caller without a certificate gets no answer, also after the certificates have changed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tls-'));
  const path = (name: string) => join(folder, name);
  const server = await makeCertificate('server.example.com');
  const client = await makeCertificate('client.example.com');
  await writeFile(path('cert.pem'), server.cert);
  await writeFile(path('key.pem'), server.private);
  await writeFile(path('ca.pem'), client.cert);
  const own = await start({
    TLS_CERT_FILE: path('cert.pem'),
    TLS_KEY_FILE: path('key.pem'),
    TLS_CLIENT_CA_FILE: path('ca.pem'),
  });
  const ask = (identity: object) =>
    new Promise<number | null>((resolve) => {
      const url = `${own.url.replace('http:', 'https:')}/livez`;
      const request = send(url, { rejectUnauthorized: false, agent: false, ...identity }, (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? null);
      });
      request.once('error', () => resolve(null)).end();
    });
  const withClient = { cert: client.cert, key: client.private };
  const withStranger = { cert: server.cert, key: server.private };
  const expectGuarded = async () =>
    expect([await ask({}), await ask(withStranger), await ask(withClient)]).toEqual([null, null, 200]);
  await expectGuarded();
  const next = await makeCertificate('next.example.com');
  await writeFile(path('key.pem'), next.private);
  await writeFile(path('cert.pem'), next.cert);
  await own.app.event('certificates-reloaded');
  await expectGuarded();
});

test.concurrent('an idle connection stays open for HTTP_KEEP_ALIVE_MS, which callers are told, and is closed then', async () => {
  const own = await start({ HTTP_KEEP_ALIVE_MS: '1000' });
  const socket = connect(Number(new URL(own.url).port), '127.0.0.1').on('error', () => {});
  const closed = new Promise<number>((resolve) => socket.once('close', () => resolve(performance.now())));
  let received = '';
  const answered = new Promise<number>((resolve) => {
    socket.on('data', (data) => {
      received += data.toString('latin1');
      if (received.endsWith('alive\n')) resolve(performance.now());
    });
  });
  socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
  const idleFrom = await answered;
  expect(received).toContain('Keep-Alive: timeout=1\r\n');
  // The clocks of two processes differ a little.
  expect((await closed) - idleFrom).toBeGreaterThan(900);
});

test.concurrent.each(['plain HTTP', 'TLS'])(
  'over %s a connection that sends nothing, or half of a beginning, is closed after the time for headers',
  async (over) => {
    const folder = await mkdtemp(join(tmpdir(), 'tls-'));
    const files = { TLS_CERT_FILE: join(folder, 'cert.pem'), TLS_KEY_FILE: join(folder, 'key.pem') };
    const pems = await makeCertificate('slow.example.com');
    await writeFile(files.TLS_CERT_FILE, pems.cert);
    await writeFile(files.TLS_KEY_FILE, pems.private);
    const own = await start({ HTTP_HEADERS_TIMEOUT_MS: '1000', ...(over === 'TLS' && files) });
    // The first bytes of a ClientHello, or of a request.
    const half = over === 'TLS' ? Buffer.from([0x16, 0x03, 0x01, 0x02]) : Buffer.from('GET /li');
    await Promise.all(
      [Buffer.alloc(0), half].map(async (bytes) => {
        const socket = connect(Number(new URL(own.url).port), '127.0.0.1')
          .on('error', () => {})
          .resume();
        socket.write(bytes);
        await new Promise((resolve) => socket.once('close', resolve));
      }),
    );
  },
);

test.each(['action', 'changed_by', 'table_name', 'search', 'q', 'start_date', 'object_team_id'])(
  'an empty %s is ignored, as LiteLLM ignores it',
  async (name) => {
    const { status, body } = await api.request(`/audit?${name}=&object_id=linked`);
    expect(status).toBe(200);
    expect(body.audit_logs.length).toBeGreaterThan(0);
  },
);

test.each(['page', 'page_size', 'sort_by', 'sort_order'])('an empty %s is a 400', async (name) => {
  expect((await api.request(`/audit?${name}=`)).status).toBe(400);
});

test('dates, times without an offset and the days of the stats follow time_zone', async () => {
  const at = (updated_at: string) => anEvent({ table_name: 'zoned', updated_at });
  await api.db.store([
    at('2026-07-02T21:59:59Z'),
    at('2026-07-02T22:00:00Z'),
    at('2026-07-03T21:59:59.999999Z'),
    at('2026-07-03T22:00:00Z'),
  ]);
  const count = async (query: string) => (await api.request(`/audit?table_name=zoned&${query}`)).body.audit_logs.length;
  expect(await count('start_date=2026-07-03&end_date=2026-07-03&time_zone=Europe/Berlin')).toBe(2);
  expect(await count('start_date=2026-07-03&end_date=2026-07-03')).toBe(2);
  expect(await count('start_date=2026-07-02 22:00:00&end_date=2026-07-02T22:00')).toBe(1);
  expect(await count('start_date=2026-07-03T00:00:00&time_zone=Europe/Berlin')).toBe(3);
  const days = 'start_date=2026-07-01&end_date=2026-07-05';
  const stats = await api.request(`/audit/stats?table_name=zoned&${days}&time_zone=Europe/Berlin`);
  expect(stats.body.counts.map(({ start, count }: { start: string; count: number }) => [start, count])).toEqual([
    ['2026-07-01T22:00:00.000000Z', 1],
    ['2026-07-02T22:00:00.000000Z', 2],
    ['2026-07-03T22:00:00.000000Z', 1],
  ]);
  expect((await api.request('/audit?time_zone=Berlin')).body.errors).toMatchObject([{ path: 'time_zone' }]);
});

test('an event in a leap second is stored as the last microsecond of its minute', async () => {
  const event = anEvent({ updated_at: new Date(Date.now() - 86_400_000).toISOString().replace(/T.*/, 'T23:59:60Z') });
  const stored = await api.request('/audit', { body: event });
  expect(stored).toMatchObject({ status: 201, body: { updated_at: event.updated_at?.replace('60Z', '59.999999Z') } });
});

test('CSV begins with a byte order mark where it is asked for', async () => {
  const read = async (query: string) => {
    const answer = await fetch(`${api.url}/audit/export?object_id=linked&format=csv${query}`, {
      headers: { authorization: `Bearer ${masterKey}` },
    });
    return Buffer.from(await answer.arrayBuffer());
  };
  expect((await read('&bom=true')).toString('latin1', 0, 6)).toBe('\xef\xbb\xbf"id');
  expect((await read('')).toString('latin1', 0, 3)).toBe('"id');
});

test('the history compares the members of values that LiteLLM wrote as JSON text inside JSON', async () => {
  const states = [
    { team_id: 'team-7', spend: 1 },
    { team_id: 'team-7', spend: 2 },
  ].map((state) => JSON.stringify(state));
  await api.db.store(
    states.map((updated_values, n) =>
      anEvent({
        object_id: 'doubly',
        before_value: n === 0 ? null : states[n - 1],
        updated_values,
        updated_at: `2026-07-03T11:00:0${n}Z`,
      }),
    ),
  );
  const { body } = await api.request('/audit/objects/teams/doubly');
  expect(body.audit_logs[1]).toMatchObject({
    updated_values: states[1],
    changes: [{ op: 'replace', path: '/spend', value: 2 }],
  });
});

test('JSON text inside JSON is found by its words, its object, its team and its key, and answered byte for byte', async () => {
  const key = '5e'.repeat(32);
  const text = `{"team_id": "team-of-texts",  "token": "${key}", "spend": 1.50}`;
  const moved = '{"team_id": "team-before", "spend": 1.50}';
  const event = anEvent({ object_id: 'texts', before_value: moved, updated_values: text });
  const asJson = anEvent({ object_id: 'json', updated_values: { team_id: 'team-of-texts' } });
  const broken = anEvent({ object_id: 'broken', updated_values: text.slice(0, -1) });
  const stored = await api.request('/audit/batch', { body: [event, asJson, broken] });
  expect(stored.status).toBe(201);
  const find = async (query: string) =>
    (await api.request(`/audit?${query}`)).body.audit_logs.map(({ id }: { id: string }) => id).sort();
  expect(await find('q=team-of-texts&object_id=texts')).toEqual([event.id]);
  expect(await find('search=texts')).toEqual([event.id]);
  expect(await find('search=team-of-texts')).toEqual([event.id, asJson.id].sort());
  expect(await find('object_team_id=team-of-texts')).toEqual([event.id, asJson.id].sort());
  expect(await find('object_team_id=team-before')).toEqual([event.id]);
  expect(await find(`object_key_hash=${key}`)).toEqual([event.id]);
  expect(await find(`object_key_hash=${key}&object_team_id=team-of-texts`)).toEqual([event.id]);
  for (const { id, updated_values } of [event, broken])
    expect((await api.request(`/audit/${id}`)).text).toContain(`"updated_values":${JSON.stringify(updated_values)}`);
});

test('a place in a value is found inside of JSON text too', async () => {
  const value = { team_id: 'team-at-a-place', limits: { rpm: [10, 25] }, budget: null, n: 1.5, 'a.b': true };
  const forms = [value, JSON.stringify(value), JSON.stringify(JSON.stringify(value)), ` \n${JSON.stringify(value)}`];
  const events = forms.flatMap((form) => [
    anEvent({ table_name: 'placed', before_value: null, updated_values: form }),
    anEvent({ table_name: 'placed', before_value: form, updated_values: null }),
  ]);
  // Nobody can look into these. They hide no other event, and fail no query.
  const broken = [
    '{"team_id": "team-at-a-place"',
    'team-at-a-place',
    '',
    '[',
    `${'['.repeat(100_000)}`,
    '{"a": "\\ud800"}',
  ];
  await api.db.store(events);
  await api.db.store(broken.map((text) => anEvent({ table_name: 'placed', updated_values: text, before_value: text })));
  const halfReadable = anEvent({
    table_name: 'placed',
    updated_values: '{"bad": "\\u0000", "team_id": "team-at-a-place"}',
  });
  await api.db.store([halfReadable]);
  const find = async (query: string) => {
    const { status, body, text } = await api.request(
      `/audit?table_name=placed&start_date=2026-01-01&page_size=100&${query}`,
    );
    expect(status, text).toBe(200);
    return new Set(body.audit_logs.map(({ id }: { id: string }) => id));
  };
  const [inUpdated, inBefore] = [0, 1].map((odd) => events.filter((_event, n) => n % 2 === odd).map(({ id }) => id));
  expect(await find('updated_values.team_id=team-at-a-place')).toEqual(
    new Set([...(inUpdated ?? []), halfReadable.id]),
  );
  for (const place of [
    'team_id=team-at-a-place',
    'limits.rpm.1=25',
    'limits={"rpm":[10,25]}',
    'budget=null',
    'n=1.5',
    'a%5C.b=true',
  ])
    expect(await find(`before_value.${place}`), place).toEqual(new Set(inBefore));
  for (const place of ['team_id=team', 'limits.rpm.2=25', 'none=null', 'n=1.50', 'team_id.0=t'])
    expect(await find(`before_value.${place}`), place).toEqual(new Set());
});

test('the history of an object compares the members of texts with blanks, and of texts inside of texts', async () => {
  const states = [
    '\n {"spend": 1.0, "team_id": "t"} ',
    JSON.stringify('{"spend": 1.50, "team_id": "t"}'),
    '{"spend": 1.50',
  ];
  await api.db.store(
    states.map((updated_values, n) =>
      anEvent({ object_id: 'blanks', before_value: null, updated_values, updated_at: `2026-07-03T12:00:0${n}Z` }),
    ),
  );
  const { body } = await api.request('/audit/objects/teams/blanks');
  expect(body.audit_logs.map(({ updated_values }: { updated_values: string }) => updated_values)).toEqual(states);
  expect(body.audit_logs[1].changes).toEqual([{ op: 'replace', path: '/spend', value: 1.5 }]);
  // What is no JSON is one text.
  expect(body.audit_logs[2].changes).toEqual([{ op: 'replace', path: '', value: states[2] }]);
});
