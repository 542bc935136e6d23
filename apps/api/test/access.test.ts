import { createHash } from 'node:crypto';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type ApiFixture, createApiFixture, masterKey } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

let api: ApiFixture;
beforeAll(async () => {
  api = await createApiFixture();
});
afterAll(() => api.close());

async function keys(...args: string[]): Promise<{ code: unknown; output: string }> {
  const app = spawnApp('api/src/keys/main.ts', { DATABASE_URL: api.db.url }, args);
  return { code: await app.ended, output: app.output() };
}

async function createKey(name: string, scope: string): Promise<string> {
  const { code, output } = await keys('create', '--name', name, '--scope', scope);
  expect(code).toBe(0);
  return /^abx_live_\w{38}$/m.exec(output)?.[0] ?? '';
}

test.each([
  ['no key', null],
  ['an unknown key', 'ab_unknown'],
  ['a key that starts like the right one', masterKey.slice(0, -1)],
])('%s is a 401', async (_what, key) => {
  for (const path of ['/audit', '/audit/00000000-0000-4000-8000-000000000000']) {
    const answer = await api.request(path, { key });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
  }
  expect((await api.request('/audit', { key, body: anEvent() })).status).toBe(401);
  expect((await api.request('/audit/batch', { key, body: [anEvent()] })).status).toBe(401);
});

test('a key without the scope that a route needs is a 403', async () => {
  const reader = await createKey('siem', 'read');
  const writer = await createKey('billing', 'audit:write');
  const both = await createKey('admin', 'read,write');
  expect((await api.request('/audit', { key: reader })).status).toBe(200);
  expect((await api.request('/audit', { key: reader, body: anEvent() })).status).toBe(403);
  expect((await api.request('/audit/batch', { key: reader, body: [anEvent()] })).status).toBe(403);
  expect((await api.request('/audit', { key: writer })).status).toBe(403);
  expect((await api.request('/audit/00000000-0000-4000-8000-000000000000', { key: writer })).status).toBe(403);
  expect((await api.request('/audit/batch', { key: writer, body: [anEvent()] })).status).toBe(201);
  expect((await api.request('/audit', { key: writer, body: anEvent() })).status).toBe(201);
  expect((await api.request('/audit', { key: both })).status).toBe(200);
});

test('only the hash of a key is stored, and events without a key get the id of the key', async () => {
  const key = await createKey('hashed', 'read,write');
  const hash = createHash('sha256').update(key).digest('hex');
  const rows = await api.db
    .sql`select key_id::text as id, key_hash as hash from auditbox.api_key where name = 'hashed'`;
  expect(rows).toEqual([{ id: expect.any(String), hash }]);
  const { changed_by_api_key: _left, ...event } = anEvent();
  expect((await api.request('/audit', { key, body: event })).body).toMatchObject({
    changed_by_api_key: rows[0]?.id,
    recorded_by: `key:${rows[0]?.id}:hashed`,
  });
});

test('a revoked key is rejected, and the list shows that it is revoked', async () => {
  const key = await createKey('leaked', 'read');
  expect((await api.request('/audit', { key })).status).toBe(200);
  expect((await keys('revoke', '--name', 'leaked')).code).toBe(0);
  await eventually(async () => expect((await api.request('/audit', { key })).status).toBe(401));
  const { output } = await keys('list');
  expect(output).toMatch(/^leaked\tread\tabx_live_\w{4}\t.*\trevoked /m);
  expect(output).not.toContain(key);
});

test.each([
  [['create', '--name', 'twice', '--scope', 'all'], 'It must be one or several of read, write, admin, audit:read'],
  [['create', '--scope', 'read'], "required option '--name <name>' not specified"],
  [['revoke', '--name', 'nobody'], 'There is no valid key named "nobody".'],
])('keys %j names the mistake', async (args, words) => {
  const { code, output } = await keys(...args);
  expect(code).toBe(1);
  expect(output).toContain(words);
});

test('a second key with the same name is rejected', async () => {
  await createKey('once', 'read');
  expect(await keys('create', '--name', 'once', '--scope', 'read')).toMatchObject({
    code: 1,
    output: expect.stringContaining('exists already'),
  });
});

test('health checks need no key', async () => {
  expect((await api.request('/livez', { key: null })).status).toBe(200);
  expect((await api.request('/readyz', { key: null })).status).toBe(200);
});

test('the log never contains a key or its hash, even when the database fails', async () => {
  const key = await createKey('logged', 'read');
  // In the form of a key, so that it is looked up.
  const another = `ab_${'x'.repeat(43)}`;
  const wrong = await api.request('/audit?page=0', { key });
  await api.db.sql`alter table auditbox.api_key rename to api_key_away`;
  const failed = await api.request('/audit', { key: another });
  expect(failed.status).toBe(503);
  await api.db.sql`alter table auditbox.api_key_away rename to api_key`;
  // A request is logged behind its answer.
  for (const { headers } of [wrong, failed])
    await api.app.event('request', ({ requestId }) => requestId === headers.get('x-request-id'));
  for (const presented of [masterKey, key, another]) {
    expect(api.app.output()).not.toContain(presented);
    expect(api.app.output()).not.toContain(createHash('sha256').update(presented).digest('hex'));
  }
});
