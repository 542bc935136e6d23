import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { bestOf } from '@auditbox/testing/expectations/best-of.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type ApiFixture, createApiFixture, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

let api: ApiFixture;
beforeAll(async () => {
  api = await createApiFixture({ LOG_LEVEL: 'debug' });
});
afterAll(() => api.close());

async function keys(...args: string[]): Promise<{ code: unknown; output: string }> {
  const app = spawnApp('api/src/keys/main.ts', { DATABASE_URL: api.db.url }, args);
  return { code: await app.ended, output: app.output() };
}

const makeKey = (body: object, key?: string) => api.request('/keys', { body, ...(key !== undefined && { key }) });
const status = async (key: string) => (await api.request('/audit', { key })).status;
const changesOf = (id: string) => api.request(`/audit?table_name=auditbox.api_key&object_id=${id}&sort_order=asc`);

test('each change of a key is an audit event of who made it, and none holds the key or its hash', async () => {
  const { body: made } = await makeKey({ name: 'audited', scopes: ['read'] });
  const rotated = await api.request(`/keys/${made.id}/rotate`, { body: { overlap_seconds: 60 } });
  expect(rotated).toMatchObject({ status: 201, body: { id: made.id, name: 'audited' } });
  expect((await api.request(`/keys/${made.id}`, { method: 'DELETE' })).status).toBe(204);
  const { body, text } = await changesOf(made.id);
  expect(body.audit_logs).toMatchObject(
    ['created', 'rotated', 'deleted'].map((action) => ({ action, changed_by: 'master', recorded_by: 'key:master' })),
  );
  for (const secret of [made.key, rotated.body.key]) expect(text).not.toContain(secret);
  expect(text).not.toMatch(/[0-9a-f]{64}/);
});

test('a change by the command line is an event of the login', async () => {
  const { code } = await keys('create', '--name', 'by-command', '--scope', 'write', '--table', 'teams,invoices');
  expect(code).toBe(0);
  const { output } = await keys('list', '--json');
  const listed = JSON.parse(output).find(({ name }: { name: string }) => name === 'by-command');
  expect(listed).toMatchObject({ scopes: ['write'], bounds: { table_name: ['teams', 'invoices'] }, revoked_at: null });
  expect((await changesOf(listed.id)).body.audit_logs).toMatchObject([
    { action: 'created', recorded_by: expect.stringMatching(/^sql:/) },
  ]);
});

test('a key can be revoked whose tenant no event can have, as a statement may have stored it', async () => {
  const tenant = 'ac\u200bme';
  const [{ id }] = await api.db.sql<[{ id: string }]>`
    insert into auditbox.api_key (key_id, name, key_hash, scopes, tenant)
    values (gen_random_uuid(), 'odd', ${tenant}, '{read}', ${tenant}) returning key_id::text as id`;
  expect(await api.db.sql`select auditbox.revoke_key(${id}::uuid) as done`).toEqual([{ done: true }]);
  expect((await changesOf(id)).body.audit_logs).toMatchObject([{ action: 'deleted', before_value: { tenant } }]);
});

test.concurrent('a rotated key keeps its id and rights; both secrets work during the overlap and write as one writer', async () => {
  const { body: old } = await makeKey({ name: 'rotating', scopes: ['read', 'write'] });
  const event = anEvent();
  expect((await api.request('/audit', { key: old.key, body: event })).status).toBe(201);
  const { body: fresh } = await api.request(`/keys/${old.id}/rotate`, { body: {} });
  expect(fresh.key).not.toBe(old.key);
  expect((await api.request('/audit', { key: fresh.key, body: event })).status).toBe(200);
  expect(await status(old.key)).toBe(200);
  const { body: last } = await api.request(`/keys/${old.id}/rotate`, { body: { overlap_seconds: 0 } });
  await eventually(async () => expect(await status(fresh.key)).toBe(401));
  expect(await status(last.key)).toBe(200);
});

test.concurrent('by the command line a key is rotated with an overlap, at whose end the old secret ends', async () => {
  const secretOf = (output: string) => /^abx_live_\w+$/m.exec(output)?.[0] ?? '';
  const name = 'rotated-by-command';
  const old = secretOf((await keys('create', '--name', name, '--scope', 'read')).output);
  const before = Date.now();
  const fresh = secretOf((await keys('rotate', '--name', name, '--overlap', '1h')).output);
  expect(fresh).not.toBe(old);
  expect([await status(old), await status(fresh)]).toEqual([200, 200]);
  const listed: { name: string; replaced_at: string | null; expires_at: string | null }[] = JSON.parse(
    (await keys('list', '--json')).output,
  );
  const [first, second] = listed.filter((one) => one.name === name);
  const ends = Date.parse(first?.expires_at ?? '');
  expect(ends).toBeGreaterThanOrEqual(before + 3_600_000);
  expect(ends).toBeLessThanOrEqual(Date.now() + 3_600_000);
  expect(second).toMatchObject({ replaced_at: null, expires_at: null });
  const last = secretOf((await keys('rotate', '--name', name, '--overlap', '1s')).output);
  await eventually(async () => expect(await status(fresh)).toBe(401));
  // The end of the first overlap stays as it was.
  expect([await status(old), await status(last)]).toEqual([200, 200]);
});

test('a change of a key whose event cannot be stored changes nothing, by the api and by the command line', async () => {
  const { body: made } = await makeKey({ name: 'unchanged', scopes: ['read'] });
  await api.db.sql`insert into auditbox.destination (name) values ('unchanged') on conflict do nothing`;
  const stored = async () => ({
    keys: await api.db
      .sql`select to_jsonb(k) - 'last_used_at' - 'last_used_address' from auditbox.api_key k order by id`,
    destinations: await api.db.sql`select to_jsonb(d) from auditbox.destination d order by name`,
  });
  const before = await stored();
  const byApi = [
    () => makeKey({ name: 'never', scopes: ['read'] }),
    () => api.request(`/keys/${made.id}/rotate`, { body: { overlap_seconds: 0 } }),
    () => api.request(`/keys/${made.id}`, { method: 'DELETE' }),
    () => api.request('/destinations/unchanged/pause', { method: 'POST' }),
  ];
  const byCommand = [
    ['create', '--name', 'never', '--scope', 'read'],
    ['rotate', '--name', 'unchanged', '--overlap', '0s'],
    ['revoke', '--name', 'unchanged'],
  ];
  await api.db.sql`
    alter table auditbox.audit_log add constraint no_own_events check (table_name not like 'auditbox.%') not valid`;
  for (const change of byApi) expect((await change()).status).toBe(500);
  for (const args of byCommand) expect((await keys(...args)).code).toBe(1);
  await api.db.sql`alter table auditbox.audit_log drop constraint no_own_events`;
  expect(await stored()).toEqual(before);
  expect(await status(made.key)).toBe(200);
  for (const change of byApi) expect((await change()).status).toBeLessThan(300);
});

test.each(['0d', '0s', '-1d', '1e3d', '0x10d', '1 d', '90'])(
  'a key that would live for %s is not made',
  async (time) => {
    const { code, output } = await keys('create', '--name', 'dead', '--scope', 'read', `--expires-in=${time}`);
    expect({ code, output }).toEqual({ code: 1, output: expect.stringContaining("'--expires-in <time>' argument") });
  },
);

test('a key expires by itself, and its name is free then', async () => {
  const { output } = await keys('create', '--name', 'short', '--scope', 'read', '--expires-in', '1s');
  const key = /^abx_live_\w+$/m.exec(output)?.[0] ?? '';
  await eventually(async () => expect(await status(key)).toBe(401));
  expect((await keys('create', '--name', 'short', '--scope', 'read')).code).toBe(0);
});

test('the name of a revoked key can be used again', async () => {
  const { body: first } = await makeKey({ name: 'again', scopes: ['read'] });
  expect((await makeKey({ name: 'again', scopes: ['read'] })).status).toBe(409);
  await api.request(`/keys/${first.id}`, { method: 'DELETE' });
  const second = await makeKey({ name: 'again', scopes: ['read'] });
  expect(second.status).toBe(201);
  expect(second.body.id).not.toBe(first.id);
});

test.each(['', 'two\nlines', 'zero\u200bwidth'])('a key cannot be named %j', async (name) => {
  expect(await makeKey({ name, scopes: ['read'] })).toMatchObject({
    status: 422,
    body: { errors: [{ path: 'name' }] },
  });
  expect(await keys('create', '--name', name, '--scope', 'read')).toMatchObject({
    code: 1,
    output: expect.stringContaining('It must be 1 to 128 characters on one line'),
  });
});

test.each<[string, object]>([
  ['name', { name: 'half\ud800' }],
  ['tenant', { tenant: '\udc00' }],
  ['bounds.changed_by.0', { bounds: { changed_by: ['\ud800*'] } }],
])('half of a surrogate pair in the %s of a key is a 422', async (path, fields) => {
  expect(await makeKey({ name: 'half', scopes: ['write'], ...fields })).toMatchObject({
    status: 422,
    body: { errors: [{ path }] },
  });
});

test('a key is bound to the addresses that it was given', async () => {
  const near = await makeKey({ name: 'near', scopes: ['read'], bounds: { addresses: ['127.0.0.0/8', '::1'] } });
  const far = await makeKey({ name: 'far', scopes: ['read'], bounds: { addresses: ['192.0.2.0/24'] } });
  expect(await status(near.body.key)).toBe(200);
  expect(await status(far.body.key)).toBe(403);
});

test('only a key with keys:admin manages keys, and nobody can make or take a key that may do more', async () => {
  const { body: reader } = await makeKey({ name: 'reader', scopes: ['read'] });
  expect((await api.request('/keys', { key: reader.key })).status).toBe(403);
  const { body: admin } = await makeKey({
    name: 'small-admin',
    scopes: ['keys:admin', 'audit:write'],
    tenant: 'acme',
    bounds: { table_name: ['teams'] },
  });
  expect((await makeKey({ name: 'x', scopes: ['audit:read'] }, admin.key)).status).toBe(403);
  expect((await makeKey({ name: 'x', scopes: ['write'], tenant: 'other' }, admin.key)).status).toBe(403);
  for (const bounds of [{ table_name: ['*'] }, { signs_keys: true }])
    expect((await makeKey({ name: 'x', scopes: ['write'], bounds }, admin.key)).status).toBe(403);
  expect((await makeKey({ name: 'x', scopes: ['write'], bounds: { action: ['made'] } }, admin.key)).status).toBe(201);
  const listed = await api.request('/keys', { key: admin.key });
  expect(listed.body.keys.map(({ name }: { name: string }) => name).sort()).toEqual(['small-admin', 'x']);
  expect(listed.body.keys.find(({ name }: { name: string }) => name === 'x')).toMatchObject({
    tenant: 'acme',
    bounds: { table_name: ['teams'], action: ['made'] },
  });
  expect((await api.request(`/keys/${reader.id}/rotate`, { key: admin.key, body: {} })).status).toBe(404);
  expect((await api.request(`/keys/${reader.id}`, { key: admin.key, method: 'DELETE' })).status).toBe(404);
  const { body: wide } = await makeKey({ name: 'wide', scopes: ['read', 'write'], tenant: 'acme' });
  expect((await api.request(`/keys/${wide.id}/rotate`, { key: admin.key, body: {} })).status).toBe(403);
});

test('a key that would have expired already is not made', async () => {
  for (const time of [new Date(Date.now() - 1).toISOString(), '1900-01-01T00:00:00Z', '1969-12-31T23:59:59.999999Z']) {
    const made = await makeKey({ name: 'too-late', scopes: ['read'], expires_at: time });
    expect(made).toMatchObject({
      status: 422,
      body: { errors: [{ path: 'expires_at', message: 'must be in the future' }] },
    });
  }
  const { body } = await api.request('/keys');
  expect(body.keys.filter(({ name }: { name: string }) => name === 'too-late')).toEqual([]);
});

test('a key that expires makes and takes only keys that expire no later', async () => {
  const inMs = (ms: number) => new Date(Date.now() + ms).toISOString();
  const end = inMs(3_600_000);
  const { body: admin } = await makeKey({ name: 'ending-admin', scopes: ['admin'], expires_at: end });
  const listed = async () => (await api.request('/keys')).body.keys as { id: string; expires_at: string | null }[];
  const endOf = async (id: string) =>
    (await listed()).filter((key) => key.id === id).map(({ expires_at }) => Date.parse(expires_at ?? ''));

  const ends = [undefined, null, end, inMs(60_000)];
  for (const [n, expiresAt] of ends.entries()) {
    const made = await makeKey({ name: `ends-${n}`, scopes: ['read'], expires_at: expiresAt }, admin.key);
    expect(made.status).toBe(201);
    expect(await endOf(made.body.id)).toEqual([Date.parse(expiresAt ?? end)]);
  }
  const later = await makeKey({ name: 'later', scopes: ['read'], expires_at: inMs(3_700_000) }, admin.key);
  expect(later).toMatchObject({ status: 403, body: { detail: expect.stringContaining('expires before it') } });

  const { body: endless } = await makeKey({ name: 'endless', scopes: ['read'] });
  expect((await api.request(`/keys/${endless.id}/rotate`, { key: admin.key, body: {} })).status).toBe(403);
  const rotated = await api.request(`/keys/${admin.id}/rotate`, { key: admin.key, body: { overlap_seconds: 60 } });
  expect(rotated.status).toBe(201);
  expect(Math.max(...(await endOf(admin.id)))).toBe(Date.parse(end));
});

test('a key that ends with the last second of time, or by a statement never, makes keys that end no later', async () => {
  const { body: last } = await makeKey({ name: 'last', scopes: ['admin'], expires_at: '9999-12-31T23:59:60Z' });
  const { body: never } = await makeKey({ name: 'never-ends', scopes: ['admin'], expires_at: '9999-12-31T23:59:59Z' });
  await api.db.sql`update auditbox.api_key set expires_at = 'infinity' where key_id = ${never.id}::uuid`;
  for (const { key, id } of [last, never]) {
    const made = await makeKey({ name: `made-by-${id}`, scopes: ['read'] }, key);
    expect(made.status, made.text).toBe(201);
    const listed: { id: string; expires_at: string }[] = (await api.request('/keys', { key })).body.keys;
    const ends = listed.find((one) => one.id === made.body.id)?.expires_at;
    expect(ends).toBe('9999-12-31 23:59:59.999+00');
  }
});

test('the old secret of a rotated key cannot take the new one, and makes no key that outlives the overlap', async () => {
  const { body: old } = await makeKey({ name: 'replaced-admin', scopes: ['keys:admin'] });
  const { request } = await startApi(urlAs('api', api.db.url));
  await api.request(`/keys/${old.id}/rotate`, { body: { overlap_seconds: 600 } });
  expect((await request(`/keys/${old.id}/rotate`, { key: old.key, body: {} })).status).toBe(403);
  const made = await request('/keys', { key: old.key, body: { name: 'by-old', scopes: ['keys:admin'] } });
  expect(made.status).toBe(201);
  const { body } = await api.request('/keys');
  const { expires_at } = body.keys.find(({ id }: { id: string }) => id === made.body.id);
  expect(Date.parse(expires_at)).toBeLessThanOrEqual(Date.now() + 600_000);
});

test('a name that a key of another tenant has is free, and the command line asks which key is meant', async () => {
  const admins = await Promise.all(
    ['acme', 'globex'].map(async (tenant) => {
      const { body } = await makeKey({ name: `names-${tenant}`, scopes: ['keys:admin', 'audit:read'], tenant });
      return body.key as string;
    }),
  );
  const made = [];
  for (const admin of admins) made.push(await makeKey({ name: 'same-name', scopes: ['audit:read'] }, admin));
  expect(made.map(({ status: of }) => of)).toEqual([201, 201]);
  expect((await makeKey({ name: 'same-name', scopes: ['audit:read'] })).status).toBe(201);
  for (const admin of [...admins, undefined])
    expect((await makeKey({ name: 'same-name', scopes: ['audit:read'] }, admin)).status).toBe(409);
  expect(await keys('revoke', '--name', 'same-name')).toMatchObject({
    code: 1,
    output: expect.stringContaining('Give --id instead of --name.'),
  });
  expect((await keys('revoke')).output).toContain('give either --name or --id');
  expect((await keys('revoke', '--id', made[0]?.body.id)).code).toBe(0);
  const names = async (key?: string) =>
    (await api.request('/keys', { ...(key !== undefined && { key }) })).body.keys
      .filter(({ name, revoked_at }: Record<string, unknown>) => name === 'same-name' && revoked_at === null)
      .map(({ tenant }: { tenant: string | null }) => tenant);
  expect(await names()).toEqual(['globex', null]);
  expect(await names(admins[0])).toEqual([]);
});

test('a key of the form before goes on working, and may name API keys as it could', async () => {
  const key = `ab_${'k'.repeat(43)}`;
  await api.db.sql`
    insert into auditbox.api_key (key_id, name, key_hash, scopes, bounds)
    values (gen_random_uuid(), 'old', encode(sha256(${key}::text::bytea), 'hex'), '{read,write}', '{"signs_keys":true}')`;
  expect(await status(key)).toBe(200);
  expect((await api.request('/audit', { key, body: anEvent({ changed_by_api_key: 'x' }) })).status).toBe(201);
});

test('a key with a wrong checksum costs no query', async () => {
  const { body } = await makeKey({ name: 'mistyped', scopes: ['read'] });
  await api.db.sql`alter table auditbox.api_key rename to api_key_away`;
  try {
    const mistyped = `${body.key.slice(0, -1)}${body.key.endsWith('a') ? 'b' : 'a'}`;
    expect(await status(mistyped)).toBe(401);
    expect(await status('ab_unknown')).toBe(401);
    expect(await status(`ab_${'z'.repeat(43)}`)).toBe(503);
  } finally {
    await api.db.sql`alter table auditbox.api_key_away rename to api_key`;
  }
});

test("a revoked key's running export breaks within 5 seconds", async () => {
  await api.db.store(Array.from({ length: 40 }, () => anEvent({ updated_values: 'x'.repeat(900_000) })));
  const breakExport = async () => {
    const { body } = await makeKey({ name: 'exporting', scopes: ['read'] });
    const request = get(`${api.url}/audit/export`, { headers: { authorization: `Bearer ${body.key}` } });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    request.on('error', () => {});
    // A reader that does not read keeps the export running.
    response.pause();
    const closed = new Promise<string>((resolve) => response.once('error', ({ message }: Error) => resolve(message)));
    const id = response.headers['x-request-id'];
    const revokedAt = performance.now();
    expect((await api.request(`/keys/${body.id}`, { method: 'DELETE' })).status).toBe(204);
    expect(await api.app.event('request', ({ requestId }) => requestId === id)).toMatchObject({ answered: false });
    const brokenAt = performance.now();
    response.resume();
    expect(await closed).toBe('aborted');
    return brokenAt - revokedAt;
  };
  expect(await bestOf(5_000, breakExport)).toBeLessThan(5_000);
});

test('denied requests and the use of keys are noted; both are stored when the api stops', async () => {
  const { body } = await makeKey({ name: 'denied', scopes: ['read'] });
  const { app, request } = await startApi(urlAs('api', api.db.url));
  const startedAt = new Date().toISOString();
  for (let n = 0; n < 3; n += 1) await request('/audit', { key: body.key, body: anEvent() });
  for (const key of [null, 'nobody']) await request('/audit', { key });
  app.signal('SIGTERM');
  expect(await app.ended).toBe(0);
  const { body: listed } = await api.request('/audit?action=denied');
  // The other api stores what it denied in the tests before, once a minute.
  const denied = listed.audit_logs.filter(
    ({ context }: { context: { first_at: string } }) => context.first_at >= startedAt,
  );
  expect(denied).toHaveLength(3);
  expect(denied).toContainEqual(
    expect.objectContaining({
      changed_by: 'denied',
      changed_by_api_key: body.id,
      object_id: 'POST /audit',
      recorded_by: 'api',
      context: expect.objectContaining({ reason: 'no scope', count: 3 }),
    }),
  );
  const { body: keys } = await api.request('/keys');
  const used = keys.keys.find(({ id }: { id: string }) => id === body.id);
  expect(used).toMatchObject({ last_used_at: expect.any(String), last_used_address: '127.0.0.1' });
});

test('with AUDIT_READS each read is an event before its answer, and a feed is one event', async () => {
  const { request } = await startApi(urlAs('api', api.db.url), { AUDIT_READS: 'true' });
  const { body } = await makeKey({ name: 'watched', scopes: ['read'] });
  const event = anEvent();
  await api.request('/audit', { body: event });
  await request(`/audit/${event.id}`, { key: body.key });
  await request('/audit/export?object_id=none', { key: body.key });
  const feed = '/audit?recorded_after=2026-01-01&page_size=1';
  const { body: page } = await request(feed, { key: body.key });
  await request(`${feed}&cursor=${page.next_cursor}`, { key: body.key });
  const { body: reads } = await api.request('/audit?action=read&sort_order=asc');
  expect(reads.audit_logs).toMatchObject([
    { changed_by: 'watched', changed_by_api_key: body.id, object_id: 'GET /audit/:id' },
    { object_id: 'GET /audit/export', context: { query: 'object_id=none' } },
    { object_id: 'GET /audit', context: { address: '127.0.0.1' } },
  ]);
});

test('the master key can be off, and while it is on the log says so', async () => {
  expect(api.app.output()).toContain('"event":"master-key-on"');
  const { app, request } = await startApi(urlAs('api', api.db.url), { AUDIT_MASTER_KEY: '' });
  expect((await request('/audit')).status).toBe(401);
  app.signal('SIGTERM');
  expect(await app.ended).toBe(0);
  expect(app.output()).not.toContain('master-key-on');
});

test.each(['changemechangeme', 'x'.repeat(64), 'ab'.repeat(32)])('%s is not a master key', async (key) => {
  const app = spawnApp('api/src/main.ts', { DATABASE_URL: api.db.url, AUDIT_MASTER_KEY: key });
  expect(await app.ended).toBe(1);
  expect(app.output()).toContain('AUDIT_MASTER_KEY has an invalid value');
  expect(app.output()).not.toContain(key);
});
