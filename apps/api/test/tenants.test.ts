import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type ApiFixture, createApiFixture, masterKey } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';

/*
 * A key that is bound to a tenant gets the answers of an api that never had another tenant's event. So two apis are asked
 * the same: one with the events of two tenants and of none, and one with the events of one tenant alone.
 */

interface Asked {
  readonly api: ApiFixture;
  readonly key: string;
}

let mixed: Asked;
let alone: Asked;
let othersKey: string;
/** Stands in every event that the tenant must not see. */
const marker = 'zebra7secret';
const objects = ['1', '2', '3'];
const events = Array.from({ length: 120 }, (_, n) => {
  const tenant = ['acme', 'other', ''][n % 3] as string;
  return anEvent({
    tenant,
    changed_by: tenant === 'acme' ? `ana-${n % 4}` : `${marker}-${n % 4}`,
    table_name: n % 2 === 0 ? 'teams' : 'keys',
    object_id: objects[n % 5 === 0 ? 0 : n % 3] as string,
    action: ['created', 'updated', 'deleted'][n % 4 === 3 ? 0 : n % 4] as string,
    updated_at: `2026-07-0${1 + (n % 7)}T0${n % 10}:00:0${n % 6}Z`,
    before_value: { team_id: `team-${n % 3}`, n },
    updated_values: { team_id: `team-${n % 3}`, note: tenant === 'acme' ? 'plain words' : marker },
    context: { text: `words of ${tenant === 'acme' ? 'acme' : marker}` },
  });
});

async function openFor(stored: readonly object[]): Promise<Asked> {
  const api = await createApiFixture();
  const { status } = await api.request('/audit/batch', { body: stored });
  expect(status).toBe(201);
  const key = await makeKey(api, 'acme');
  // Feeds end before the events that running transactions may still add.
  await eventually(async () => {
    const { body } = await api.request('/audit?recorded_after=2026-01-01&page_size=100');
    expect(body.audit_logs.length).toBeGreaterThan(0);
  });
  return { api, key };
}

async function makeKey(api: ApiFixture, tenant: string): Promise<string> {
  const { body } = await api.request('/keys', { body: { name: tenant, scopes: ['read', 'write'], tenant } });
  return body.key;
}

beforeAll(async () => {
  mixed = await openFor(events);
  alone = await openFor(events.filter(({ tenant }) => tenant === 'acme'));
  othersKey = await makeKey(mixed.api, 'other');
});
afterAll(async () => {
  await mixed.api.close();
  await alone.api.close();
});

const ask = ({ api, key }: Asked, path: string) => api.request(path, { key });

/** What differs between two runs of the same: times of recording, and cursors, which hold them. */
function withoutRunTimes(text: string): string {
  return text
    .replace(/"(recorded_at|next_cursor|request_id)":"[^"]+"/g, '"$1":"…"')
    .replace(/"[\dT:.-]+Z","key:master"/g, '"…","key:master"');
}

const ids = events.map(({ id }) => id);
const people = ['ana-0', 'ana-1', `${marker}-0`, `ana-2,${marker}-1`];
const parameters: Record<string, readonly string[]> = {
  changed_by: people,
  changed_by_prefix: ['ana', marker.slice(0, 3)],
  changed_by_any_case: ['ANA-0', `${marker}-0`.toUpperCase()],
  action: ['created', 'updated,deleted'],
  table_name: ['teams', 'keys', 'teams,keys'],
  object_id: [...objects, '1,2'],
  object_team_id: ['team-0', 'team-2'],
  search: ['1', 'team-1', `${marker}-2`, 'ana-3'],
  q: ['words', marker, 'plain'],
  start_date: ['2026-07-02', '2026-07-03T05:00:00Z'],
  end_date: ['2026-07-05', '2026-07-06T04:00:00Z'],
};
const filters = fc
  .record(Object.fromEntries(Object.entries(parameters).map(([name, values]) => [name, fc.constantFrom(...values)])), {
    requiredKeys: [],
  })
  .map((given) => ({ start_date: '2026-07-01', end_date: '2026-08-01', ...given }) as Record<string, string>);
const order = fc.record(
  {
    sort_by: fc.constantFrom('updated_at', 'changed_by', 'action', 'table_name', 'object_id'),
    sort_order: fc.constantFrom('asc', 'desc'),
  },
  { requiredKeys: [] },
);
const pages = fc.record(
  { page: fc.constantFrom('1', '2'), page_size: fc.constantFrom('1', '5', '100') },
  { requiredKeys: [] },
);
const query = (...parts: object[]) => new URLSearchParams(Object.assign({}, ...parts)).toString();

const paths = fc.oneof(
  fc.tuple(filters, order, pages).map((parts) => `/audit?${query(...parts)}`),
  fc
    .tuple(filters, order, fc.constantFrom('ndjson', 'csv'))
    .map(([filter, by, format]) => `/audit/export?${query(filter, by, { format })}`),
  fc
    .tuple(filters, fc.constantFrom('hour', 'day'), fc.constantFrom('action', 'table_name', 'changed_by'))
    .map(([filter, interval, by]) => `/audit/stats?${query(filter, { interval, group_by: by })}`),
  fc
    .tuple(fc.constantFrom('teams', 'keys'), fc.constantFrom(...objects), fc.constantFrom('asc', 'desc'))
    .map(([table, object, sort]) => `/audit/objects/${table}/${object}?sort_order=${sort}&page_size=3`),
  fc.constantFrom(...ids).map((id) => `/audit/${id}`),
  fc.subarray(ids, { minLength: 1, maxLength: 30 }).map((some) => `/audit/archive?ids=${some.join()}`),
  fc.constantFrom(...ids).map((id) => `/audit/${id}/proof`),
);

test('whatever it asks, a key of a tenant gets the answer of an api that has its events alone', async () => {
  await fc.assert(
    fc.asyncProperty(paths, async (path) => {
      const [given, expected] = await Promise.all([ask(mixed, path), ask(alone, path)]);
      expect(given.status).toBe(expected.status);
      expect(given.status).toBeLessThan(500);
      expect(withoutRunTimes(given.text)).toBe(withoutRunTimes(expected.text));
    }),
    { numRuns: 120 },
  );
});

test.each([
  '/audit?cursor=',
  '/audit?sort_order=asc&cursor=',
  '/audit?recorded_after=2026-01-01',
  '/audit/objects/teams/1?x',
])('no page of %s, and no page behind a cursor of another tenant, has an event of another tenant', async (start) => {
  const base = start.replace(/[?&](cursor=|x)$/, (part) => part[0] as string).replace(/[?&]$/, '');
  const page = (cursor: string | null, key: string) =>
    mixed.api.request(
      `${base}${base.includes('?') ? '&' : '?'}page_size=3${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`,
      { key },
    );
  let seen = 0;
  const expectOwn = (text: string, events: readonly { tenant?: string }[]) => {
    expect(text).not.toContain(marker);
    for (const { tenant } of events) expect(tenant).toBe('acme');
    seen += events.length;
  };
  let own: string | null = null;
  let other: string | null = null;
  for (let turn = 0; turn < 60; turn += 1) {
    const mine = await page(own, mixed.key);
    expect(mine.status).toBe(200);
    expectOwn(mine.text, mine.body.audit_logs ?? mine.body.history ?? []);
    const theirs = await page(other, othersKey);
    const borrowed = theirs.body.next_cursor as string | null;
    if (borrowed !== null) {
      const mineBehindTheirs = await page(borrowed, mixed.key);
      expectOwn(mineBehindTheirs.text, mineBehindTheirs.body.audit_logs ?? []);
    }
    const next = mine.body.next_cursor as string | null;
    if (next === null || (mine.body.audit_logs ?? []).length === 0) break;
    own = next;
    other = borrowed;
  }
  expect(seen).toBeGreaterThan(0);
});

test('a key of a tenant writes for its tenant alone, and learns nothing of the events of another', async () => {
  const event = { ...anEvent(), tenant: 'other' };
  expect((await mixed.api.request('/audit', { key: mixed.key, body: event })).status).toBe(403);
  const [foreign] = events.filter(({ tenant }) => tenant === 'other');
  const taken = await mixed.api.request('/audit', { key: mixed.key, body: anEvent({ id: foreign?.id as string }) });
  expect(taken.status).toBe(409);
  expect(taken.text).not.toContain(marker);
  const { body } = await mixed.api.request('/audit', { key: mixed.key, body: anEvent() });
  expect(body.tenant).toBe('acme');
});

test('each route that reads is one of those that this file asks, or shows no events', async () => {
  const { body } = await mixed.api.request('/openapi.json');
  const reading = Object.entries<object>(body.paths).flatMap(([path, methods]) => ('get' in methods ? [path] : []));
  expect(reading.sort()).toEqual(
    [
      '/audit',
      '/audit/archive',
      '/audit/export',
      '/audit/objects/{table_name}/{object_id}',
      '/audit/stats',
      '/audit/{id}',
      '/audit/{id}/proof',
      // A 403 for a key of a tenant.
      '/archive',
      '/destinations',
      '/exports',
      '/exports/hours',
      // Of keys: those of the tenant.
      '/keys',
      // Roots of trees, which show nothing of an event.
      '/log/checkpoint',
      '/livez',
      // Of the key alone.
      '/me',
      '/metrics',
      '/readyz',
    ].sort(),
  );
  for (const path of [
    '/archive',
    '/destinations',
    '/exports',
    '/exports/hours?start_date=2026-07-01&end_date=2026-07-02',
  ])
    for (const method of ['GET', 'HEAD'])
      expect((await mixed.api.request(path, { key: mixed.key, method })).status, `${method} ${path}`).toBe(403);
});

test('each change of a key is an event of the tenant of the key and of no other, also if an operator makes it', async () => {
  const { request, db } = mixed.api;
  const tenants = ['acme', 'other', null];
  const made = async (body: object) => (await request('/keys', { body })).body as { id: string; key: string };
  const adminOfAll = await made({ name: 'operator', scopes: ['admin'] });
  const expected = new Map<string | null, object[]>(tenants.map((tenant) => [tenant, []]));
  const expectChanges = (id: string, tenant: string | null, changed_by: string, recorded_by: string) =>
    expected.get(tenant)?.push(
      ...['created', 'rotated', 'deleted'].map((action) => ({
        action,
        object_id: id,
        changed_by,
        recorded_by,
        tenant,
      })),
    );
  for (const tenant of tenants) {
    const own = await made({ name: 'admin', scopes: ['admin'], tenant });
    const makers = [
      { key: masterKey, name: 'master', recordedBy: 'key:master' },
      { key: adminOfAll.key, name: 'operator', recordedBy: `key:${adminOfAll.id}:operator` },
      { key: own.key, name: 'admin', recordedBy: `key:${own.id}:admin` },
    ];
    for (const { key, name, recordedBy } of makers) {
      const { id } = (await request('/keys', { key, body: { name: `of ${name}`, scopes: ['read'], tenant } })).body;
      expect((await request(`/keys/${id}/rotate`, { key, body: {} })).status).toBe(201);
      expect((await request(`/keys/${id}`, { key, method: 'DELETE' })).status).toBe(204);
      expectChanges(id, tenant, name, recordedBy);
    }
    // As commands do.
    const secret = (n: number) => ({ hash: `${tenant} ${n}`, prefix: '' });
    const [{ id, login }] = await db.sql<[{ id: string; login: string }]>`
      select session_user as login,
        auditbox.create_key(${JSON.stringify({ name: 'by login', scopes: ['read'], tenant, ...secret(1) })}::text::json)::text as id`;
    await db.sql`select auditbox.rotate_key(${id}::uuid, ${JSON.stringify(secret(2))}::text::json, 0)`;
    await db.sql`select auditbox.revoke_key(${id}::uuid)`;
    expectChanges(id, tenant, login, `sql:${login}`);
  }

  const ids = new Set([...expected.values()].flat().map((one) => (one as { object_id: string }).object_id));
  const changesFor = async (key: string) => {
    const { body } = await request('/audit?table_name=auditbox.api_key&page_size=100&sort_order=asc', { key });
    return (body.audit_logs as Record<string, unknown>[])
      .filter(({ object_id }) => ids.has(object_id as string))
      .map(({ action, object_id, changed_by, recorded_by, tenant = null }) => ({
        ...{ action, object_id, changed_by, recorded_by, tenant },
      }));
  };
  expect(await changesFor(mixed.key)).toEqual(expected.get('acme'));
  expect(await changesFor(othersKey)).toEqual(expected.get('other'));
  expect(await changesFor(masterKey)).toEqual([...expected.values()].flat());
});
