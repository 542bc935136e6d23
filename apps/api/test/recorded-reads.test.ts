import { type ApiFixture, createApiFixture, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { routes } from '../src/routes.ts';

/* With AUDIT_READS each read is an event before its answer, on each route that the api has for readers. */

let api: ApiFixture;
let reader: Awaited<ReturnType<typeof startApi>>;
const event = anEvent();
beforeAll(async () => {
  api = await createApiFixture();
  reader = await startApi(urlAs('api', api.db.url), { AUDIT_READS: 'true' });
  await api.request('/audit', { body: event });
});
afterAll(() => api.close());

/** A new route for readers is one of these without a change here. */
const readRoutes = routes.filter(({ access }) => access === 'audit:read' || access === 'export:read');
const places: Readonly<Record<string, string>> = { id: event.id, table_name: 'teams', object_id: '42' };
const reads = readRoutes.map(({ method, path }) => {
  expect(method).toBe('get');
  return { template: path, path: path.replaceAll(/:(\w+)/g, (_part, name: string) => places[name] ?? name) };
});

const makeReader = async (name: string) =>
  (await api.request('/keys', { body: { name, scopes: ['read'] } })).body as { id: string; key: string };

const listReads = async (keyId: string) => {
  const { body } = await api.request(`/audit?action=read&changed_by_api_key=${keyId}&page_size=100`);
  return body.audit_logs as { object_id: string; changed_by: string; context: object; recorded_by: string }[];
};

test.each(reads)('a read of $template is an event when its answer comes', async ({ template, path }) => {
  const { id, key } = await makeReader(`reads ${template}`);
  const { status } = await reader.request(path, { key });
  expect(status).toBeLessThan(500);
  expect(await listReads(id)).toMatchObject([
    {
      changed_by: `reads ${template}`,
      object_id: `GET ${template}`,
      recorded_by: 'api',
      context: { path, address: '127.0.0.1' },
    },
  ]);
});

test('there are routes of both kinds, and the others for callers show no event', () => {
  const accesses = readRoutes.map(({ access }) => access);
  expect(accesses.filter((access) => access === 'audit:read').length).toBeGreaterThan(7);
  expect(accesses.filter((access) => access === 'export:read').length).toBeGreaterThan(3);
  const others = routes.filter((route) => route.method === 'get' && !readRoutes.includes(route));
  expect(others.map(({ path }) => path).sort()).toEqual(['/keys', '/livez', '/me', '/metrics', '/readyz']);
});

test('a read whose event cannot be stored has no answer, and the same question later is recorded', async () => {
  const { id, key } = await makeReader('unrecorded');
  const feed = { template: '/audit', path: '/audit?recorded_after=2026-01-01' };
  await api.db.sql`alter table auditbox.audit_log add constraint no_reads check (action <> 'read') not valid`;
  for (const { path } of [...reads, feed]) {
    const { status, text } = await reader.request(path, { key });
    expect([path, status]).toEqual([path, 500]);
    expect(text).not.toContain(event.changed_by);
  }
  await api.db.sql`alter table auditbox.audit_log drop constraint no_reads`;
  for (const { path } of [...reads, feed]) expect((await reader.request(path, { key })).status).toBeLessThan(500);
  const recorded = (await listReads(id)).map(({ object_id }) => object_id);
  expect(recorded.sort()).toEqual([...reads, feed].map(({ template }) => `GET ${template}`).sort());
});

test('the same question about the export is one event an hour, and another question is another one', async () => {
  const { id, key } = await makeReader('polls');
  for (const path of ['/exports', '/exports', '/destinations', '/archive?month=2026-06', '/archive?month=2026-07'])
    for (let times = 0; times < 3; times += 1) expect((await reader.request(path, { key })).status).toBe(200);
  expect((await listReads(id)).map(({ object_id }) => object_id).sort()).toEqual([
    'GET /archive',
    'GET /archive',
    'GET /destinations',
    'GET /exports',
  ]);
});
