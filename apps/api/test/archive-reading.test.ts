import { allTenants } from '@auditbox/core/keys/tenant-scope.ts';
import { startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { anEvent, type WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { endApps } from '@auditbox/testing/servers/spawn-app.ts';
import { openTestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { listOverCells } from '../src/archive/archive-ledger.ts';
import { readArchivePage } from '../src/archive/archive-page.ts';
import { createArchiveStore } from '../src/archive/archive-store.ts';
import { createEventMatcher } from '../src/archive/match-event.ts';
import { readApiSettings } from '../src/settings.ts';

/* `GET /audit?archive=true`: while the database still has the events, both must answer alike. */

type Api = Awaited<ReturnType<typeof startApi>>;

let rig: ExporterFixture;
let api: Api;
let tenantKey: string;

const people = ['ana', 'Bob', 'zoë', '𝒳', 'a "b"', 'ana2'];
const odd = '{"b":1.0,"a":10000000000000000000000000001,"team_id":"t9","g":100.00,"team_id":"t8"}';
const events: WireEvent[] = Array.from({ length: 240 }, (_, n) =>
  anEvent({
    updated_at: `2026-06-30T${String(20 + (n % 4)).padStart(2, '0')}:${String((n * 7) % 60).padStart(2, '0')}:00.${n % 10}Z`,
    changed_by: people[n % people.length] as string,
    changed_by_api_key: n % 3 === 0 ? `hash-${n % 2}` : '',
    action: ['created', 'updated', 'deleted'][n % 3] as string,
    table_name: n % 2 === 0 ? 'teams' : 'keys',
    object_id: String(n % 12),
    tenant: ['acme', 'other', ''][n % 3] as string,
    before_value: n % 4 === 0 ? null : { team_id: `t${n % 5}`, token: `k${n % 2}`, note: '"changed_by":"ana"' },
    updated_values:
      n % 7 === 0
        ? ['team_id']
        : n % 5 === 0
          ? ` {"team_id": "t${n % 3}", "token": "k0", "note": "\\u0000"}`
          : { team_id: n % 5, limits: { team_id: 't1' } },
  }),
);

/** The settings of the api about the bucket. */
const archiveSettings = () =>
  Object.fromEntries(Object.entries(rig.env).filter(([name]) => name.startsWith('S3_') || name.startsWith('AWS_')));

beforeAll(async () => {
  rig = await createExporterFixture();
  await rig.db.store(events);
  await rig.db.sql`
    insert into auditbox.audit_log (occurred_at, changed_by, action, table_name, object_id, updated_values)
    values ('2026-06-30T22:00:00Z', 'odd', 'updated', 'teams', '42', ${odd}::text::json)`;
  expect(await (await rig.drain({ EXPORT_BATCH_MAX_ROWS: '20' })).ended).toBe(0);
  api = await startApi(urlAs('api', rig.db.url), archiveSettings());
  const made = await api.request('/keys', { body: { name: 'acme', scopes: ['read'], tenant: 'acme' } });
  tenantKey = made.body.key;
});
afterAll(async () => {
  await endApps();
  await rig.close();
});

const range = { start_date: '2026-06-30', end_date: '2026-06-30' };

/** Each event of all pages by its id, as text. */
async function readAll(of: Api, query: object, key?: string): Promise<{ events: Map<string, string>; pages: number }> {
  const found = new Map<string, string>();
  let pages = 0;
  for (let cursor: string | null = ''; cursor !== null; pages += 1) {
    const search = new URLSearchParams({ ...range, ...query, cursor } as Record<string, string>);
    const { status, text, body } = await of.request(`/audit?${search}`, key === undefined ? {} : { key });
    expect(status, text).toBe(200);
    const list = text.slice(text.indexOf('[') + 1);
    for (const [index, { id }] of body.audit_logs.entries()) {
      expect(found.has(id), `${id} comes twice`).toBe(false);
      const start = list.indexOf(`{"id":"${id}"`);
      const next = body.audit_logs[index + 1]?.id;
      const end = next === undefined ? list.indexOf('],"page_size"') : list.indexOf(`,{"id":"${next}"`);
      found.set(id, list.slice(start, end));
    }
    cursor = body.next_cursor;
  }
  return { events: found, pages };
}

/** One filter, or two from the same event, so that most have an answer; and a few values that no event has. */
const filters = fc
  .record({
    event: fc.constantFrom(...events),
    names: fc.subarray(
      [
        'changed_by',
        'changed_by_api_key',
        'action',
        'table_name',
        'object_id',
        'object_team_id',
        'search',
        'recorded_by',
      ],
      { minLength: 1, maxLength: 2 },
    ),
    others: fc.record(
      {
        changed_by: fc.constantFrom('ana,Bob', 'missing'),
        changed_by_prefix: fc.constantFrom('an', 'z'),
        changed_by_any_case: fc.constantFrom('ANA', 'bOB', 'z'),
        object_team_id: fc.constantFrom('t8', 't9', 't1', 't2'),
        object_key_hash: fc.constantFrom('k0', 'k1'),
      },
      { requiredKeys: [] },
    ),
    isOther: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
    range: fc.record(
      {
        start_date: fc.constantFrom('2026-06-30T20:10:00Z', '2026-06-30T21:00:00.5Z'),
        end_date: fc.constantFrom('2026-06-30T22:30:00Z', '2026-06-30T23:00:00.1Z'),
        sort_order: fc.constantFrom('asc', 'desc'),
      },
      { requiredKeys: [] },
    ),
  })
  .map(({ event, names, others, isOther, range: times }) => {
    const values: Record<string, string> = {
      changed_by: event.changed_by,
      changed_by_api_key: event.changed_by_api_key || 'hash-1',
      action: `${event.action},rotated`,
      table_name: event.table_name,
      object_id: `${event.object_id},3,5`,
      object_team_id: String((event.before_value as { team_id?: string } | null)?.team_id ?? 't1'),
      search: event.object_id,
      recorded_by: 'key:master',
    };
    const own = Object.fromEntries(names.map((name) => [name, values[name] as string]));
    return { ...(isOther ? others : own), ...times } as Record<string, string>;
  });

test('every filter finds the events that the database finds, byte by byte and each once, on pages of any size', async () => {
  const runs = 40;
  let withEvents = 0;
  await fc.assert(
    fc.asyncProperty(filters, fc.integer({ min: 1, max: 100 }), fc.boolean(), async (filter, size, isTenants) => {
      // Each page reads an object again, so a page of one event must not have hundreds to follow.
      const page_size = Object.keys(filter).length < 2 ? Math.max(size, 25) : size;
      const key = isTenants ? tenantKey : undefined;
      const archived = await readAll(api, { ...filter, page_size, archive: 'true' }, key);
      const recorded = await readAll(api, { ...filter, page_size: 100 }, key);
      expect(Object.fromEntries(archived.events)).toEqual(Object.fromEntries(recorded.events));
      if (recorded.events.size > 0) withEvents += 1;
    }),
    { numRuns: runs, seed: 19 },
  );
  // Two empty answers are alike, and show little.
  expect(withEvents).toBeGreaterThan(runs / 2);
});

test('a key that is bound to a tenant gets the events of its tenant alone', async () => {
  const { events: found } = await readAll(api, { page_size: 100, archive: 'true' }, tenantKey);
  const own = events.filter(({ tenant }) => tenant === 'acme').map(({ id }) => id);
  expect([...found.keys()].sort()).toEqual(own.sort());
});

test('the order is that of the archive: by hour in the wanted direction, and both directions mirror each other', async () => {
  const ascending = [...(await readAll(api, { sort_order: 'asc', page_size: 7, archive: 'true' })).events];
  const descending = [...(await readAll(api, { page_size: 11, archive: 'true' })).events];
  expect(ascending).toHaveLength(events.length + 1);
  expect(descending).toEqual(ascending.toReversed());
  const hours = ascending.map(([, text]) => JSON.parse(text).updated_at.slice(0, 13));
  expect(hours).toEqual([...hours].sort());
});

test('a page that reaches a limit ends with a cursor, and all pages together have every event once', async () => {
  const settings = readApiSettings({ ...archiveSettings(), DATABASE_URL: rig.db.url });
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) process.env[name] = rig.env[name];
  if (settings.archive === null) throw new Error('S3_BUCKET is set.');
  const { readLines } = createArchiveStore(settings.archive);
  const bounds = { occurredFrom: '2026-06-30T00:00:00.000000Z', occurredTo: '2026-06-30T23:59:59.999999Z' };
  const match = createEventMatcher({ tenant: allTenants, changedBy: ['ana', 'odd'], ...bounds });
  for (const direction of ['asc', 'desc'] as const)
    for (const limits of [
      { objects: 2, bytes: 1e9, ms: 60_000 },
      { objects: 1e9, bytes: 1, ms: 60_000 },
      { objects: 1e9, bytes: 1e9, ms: 0 },
    ]) {
      const found: string[] = [];
      let pages = 0;
      for (let after: Parameters<typeof readArchivePage>[0]['after'] = null; ; pages += 1) {
        const page = await readArchivePage(
          { match, direction, after, pageSize: 100 },
          {
            list: (at, limit) => listOverCells([{ name: '', db: rig.db }], { ...bounds, direction, at, limit }),
            readLines,
            limits,
            signal: new AbortController().signal,
          },
        );
        expect(page.objects).toBeLessThanOrEqual(2);
        found.push(...page.lines.map(({ line }) => JSON.parse(line).id));
        after = page.next;
        if (after === null) break;
      }
      expect(pages).toBeGreaterThan(4);
      expect(new Set(found).size).toBe(found.length);
      expect(found).toHaveLength(events.filter(({ changed_by }) => changed_by === 'ana').length + 1);
    }
});

test('what cannot be answered from objects in bounded time is a 400', async () => {
  const refuse = async (query: object, path: string) => {
    const search = new URLSearchParams({ archive: 'true', ...range, ...query } as Record<string, string>);
    const { status, body } = await api.request(`/audit?${search}`);
    expect(status).toBe(400);
    expect(body.errors).toMatchObject([{ path }]);
  };
  await refuse({ start_date: '' }, 'start_date');
  await refuse({ end_date: '' }, 'end_date');
  await refuse({ q: 'words' }, 'q');
  await refuse({ 'updated_values.n': '1' }, 'updated_values');
  await refuse({ page: '1' }, 'page');
  await refuse({ sort_by: 'action' }, 'sort_by');
  await refuse({ recorded_after: '2026-01-01' }, 'recorded_after');
  await refuse({ cursor: 'bm90aGluZw' }, 'cursor');
});

test('a cursor is bound to its filters and its tenant', async () => {
  const search = new URLSearchParams({ ...range, archive: 'true', page_size: '5' });
  const cursor = (await api.request(`/audit?${search}`)).body.next_cursor;
  const asTenant = await api.request(`/audit?${search}&cursor=${cursor}`, { key: tenantKey });
  expect(asTenant.status).toBe(400);
  expect((await api.request(`/audit?${search}&action=created&cursor=${cursor}`)).status).toBe(400);
  expect((await api.request(`/audit?${new URLSearchParams(range)}&cursor=${cursor}`)).status).toBe(400);
});

test('without S3_BUCKET the api says that it does not read the archive', async () => {
  const without = await startApi(urlAs('api', rig.db.url));
  const answer = await without.request(`/audit?${new URLSearchParams({ ...range, archive: 'true' })}`);
  expect(answer).toMatchObject({ status: 501, body: { code: 'archive-not-configured' } });
});

test('events that are not in the archive yet are counted as waiting batches, and the read goes on', async () => {
  const other = await createExporterFixture();
  await other.db.store([anEvent({ updated_at: '2026-06-30T20:00:00Z' })]);
  await other.drain();
  await other.db.store([anEvent({ updated_at: '2026-06-30T21:00:00Z' })]);
  await other.drainUntil('exporter after the lease');
  const its = await startApi(urlAs('api', other.db.url), {
    ...archiveSettings(),
    S3_BUCKET: other.bucket.name,
    S3_ENDPOINT: other.env.S3_ENDPOINT as string,
  });
  const { body } = await its.request(`/audit?${new URLSearchParams({ ...range, archive: 'true' })}`);
  expect(body.audit_logs).toHaveLength(1);
  expect(body).toMatchObject({ archive: { objects_read: 1, waiting_batches: 1 }, next_cursor: null });
  await other.db.close(1_000);
  await other.proxy.close();
});

test('an object that is missing or altered, and a store that is away, fail the read and are named', async () => {
  const { client, name: Bucket } = rig.bucket;
  const [first] = await rig.bucket.objects();
  const Key = first?.key as string;
  const readBytes = async (key: string) => {
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: key }));
    return (await Body?.transformToByteArray()) ?? new Uint8Array();
  };
  const original = await readBytes(Key);
  const ask = () => api.request(`/audit?${new URLSearchParams({ ...range, archive: 'true', sort_order: 'asc' })}`);
  const [other] = (await rig.bucket.objects()).slice(1);
  await client.send(new PutObjectCommand({ Bucket, Key, Body: await readBytes(other?.key as string) }));
  const altered = await ask();
  expect(altered).toMatchObject({ status: 500, body: { code: 'archive-damaged' } });
  expect(altered.body.detail).toContain(Key);
  await client.send(new DeleteObjectCommand({ Bucket, Key }));
  expect(await ask()).toMatchObject({ status: 500, body: { code: 'archive-damaged' } });
  await client.send(new PutObjectCommand({ Bucket, Key, Body: original }));
  expect((await ask()).status).toBe(200);
  rig.proxy.intervene = { before: async () => ({ status: 503, code: 'SlowDown' }) };
  const away = await ask();
  expect(away).toMatchObject({ status: 503, body: { code: 'archive-unavailable' } });
  expect(away.body.detail).toContain(Key);
  rig.proxy.intervene = {};
});

test.each([
  ['InvalidObjectState', /lies in an archive class of the store\. Restore it/],
  ['AccessDenied', /The store refuses the object .* \(AccessDenied\)/],
])(
  'an object that the store does not hand out (%s) is named by each route, and no event is called missing',
  async (code, says) => {
    const [{ key: refused = '' } = {}] = await rig.bucket.objects();
    rig.proxy.intervene = {
      before: ({ method, path }) =>
        method === 'GET' && decodeURIComponent(path).includes(refused) ? { status: 403, code } : undefined,
    };
    const search = new URLSearchParams({ ...range, archive: 'true' });
    const paths = [
      `/audit?${search}&sort_order=asc`,
      `/audit/${crypto.randomUUID()}?${search}`,
      `/audit/objects/teams/42?${search}`,
      `/audit/export?${search}&closing_line=true`,
    ];
    for (const path of paths) {
      const { status, body } = await api.request(path);
      expect([path, status, body.code]).toEqual([path, 500, 'archive-refused']);
      expect(body.detail).toMatch(says);
      expect(body.detail).toContain(refused);
    }
    rig.proxy.intervene = {};
  },
);

test('events of a month that retention removed are found in the archive alone, and the record begins after it', async () => {
  const other = await createExporterFixture();
  const old = anEvent({ updated_at: '2020-05-15T00:00:00Z' });
  const recent = anEvent();
  await other.db.store([old, recent]);
  await other.drain();
  expect(await other.start(['--retention'], { AUDIT_RETENTION_DAYS: '365' }).ended).toBe(0);
  const its = await startApi(urlAs('api', other.db.url), { ...archiveSettings(), S3_BUCKET: other.bucket.name });
  const search = 'start_date=2020-05-01&end_date=2020-06-30';
  const begins = '2020-06-01T00:00:00Z';
  expect((await its.request(`/audit?${search}`)).body).toMatchObject({ audit_logs: [], record_begins_at: begins });
  const archived = (await its.request(`/audit?${search}&archive=true`)).body;
  expect(archived).toMatchObject({ audit_logs: [{ id: old.id }], record_begins_at: begins, next_cursor: null });
  for (const path of ['/audit?cursor=', '/audit/stats', '/audit/objects/teams/42'])
    expect((await its.request(path)).body, path).toMatchObject({ record_begins_at: begins });
  const exported = await its.request('/audit/export?closing_line=true');
  expect(exported.headers.get('auditbox-record-begins-at')).toBe(begins);
  expect(exported.text).toContain(`{"export_rows":1,"record_begins_at":"${begins}"}\n`);
  // Over cells the latest counts, because only from there the record is whole.
  const empty = await openTestDatabase();
  const cells = await startApi('', {
    DATABASE_CELLS: `ash=${urlAs('api', empty.url)} birch=${urlAs('api', other.db.url)}`,
  });
  expect((await cells.request('/audit')).body).toMatchObject({ record_begins_at: begins });
  await other.db.close(1_000);
  await other.proxy.close();
});

test('over cells, pages have the events of every cell once', async () => {
  const names = ['ash', 'birch', 'cedar'];
  const databases = await Promise.all(names.map(() => openTestDatabase()));
  for (const [index, name] of names.entries()) {
    const db = databases[index];
    await db?.store(events.filter((_event, n) => n % 3 === index));
    const app = rig.start(['--once'], {
      ...{ DATABASE_URL: urlAs('exporter', db?.url as string), CELL_NAME: name },
      ...{ S3_PREFIX: 'of-cells/', EXPORT_BATCH_MAX_ROWS: '9' },
    });
    expect(await app.ended).toBe(0);
  }
  const list = databases.map(({ url }, index) => `${names[index]}=${urlAs('api', url)}`).join(' ');
  const cells = await startApi('', { ...archiveSettings(), DATABASE_CELLS: list });
  for (const sort_order of ['asc', 'desc']) {
    const { events: found } = await readAll(cells, { sort_order, page_size: 13, archive: 'true' });
    expect([...found.keys()].sort()).toEqual(events.map(({ id }) => id).sort());
  }
  await endApps();
  for (const db of databases) await db.close(1_000);
});

test('pages of long values end at 8 MiB, lists and histories with their changes, and have every event once', async () => {
  const long = (n: number) => `${'ü'.repeat(90_000)}${n}`;
  await rig.db.store(
    Array.from({ length: 45 }, (_, n) =>
      anEvent({
        object_id: 'long',
        updated_at: `2026-05-15T11:00:${String(n).padStart(2, '0')}Z`,
        before_value: long(n),
        updated_values: long(n + 1),
      }),
    ),
  );
  expect(await (await rig.drain()).ended).toBe(0);
  const own = await startApi(urlAs('api', rig.db.url), archiveSettings());
  const mostBytes = 8 * 1024 * 1024;
  for (const path of [
    '/audit/objects/teams/long?',
    '/audit?object_id=long&',
    '/audit?object_id=long&sort_order=asc&',
  ]) {
    const [sizes, ids]: [number[], string[]] = [[], []];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const days = 'start_date=2026-05-15&end_date=2026-05-15';
      const { status, text, body } = await own.request(`${path}archive=true&${days}&page_size=100&cursor=${cursor}`);
      expect(status, text.slice(0, 1_000)).toBe(200);
      sizes.push(Buffer.byteLength(text));
      ids.push(...body.audit_logs.map(({ id }: { id: string }) => id));
      cursor = body.next_cursor;
    }
    expect([ids.length, new Set(ids).size]).toEqual([45, 45]);
    expect(Math.max(...sizes)).toBeLessThan(mostBytes + 4_000);
    expect(sizes.filter((size) => size > 0.9 * mostBytes).length).toBeGreaterThan(0);
  }
});
