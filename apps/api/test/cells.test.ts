import { randomUUID } from 'node:crypto';
import { cellOf } from '@auditbox/db/cells/cell-of.ts';
import { hashApiKey, makeApiKey } from '@auditbox/db/keys/key-form.ts';
import { type ApiFixture, createApiFixture, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent, type WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { openTestDatabase, openTestSchema, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { listCells } from '@auditbox/testing/servers/test-roles.ts';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';

/*
 * One database and several cells hold the same events. Every question must have the same answer. TEST_DATABASE_CELLS says how
 * many cells. The first two are schemas of one database.
 */

const names = nameCells(Number(process.env.TEST_DATABASE_CELLS ?? 3));
let one: ApiFixture;
let databases: readonly TestDatabase[];
let cells: Awaited<ReturnType<typeof startApi>>;
/** It is bound to a tenant. */
const tenantKey = makeApiKey('live');
const tenantKeyId = randomUUID();

function nameCells(count: number): readonly string[] {
  const trees = ['ash', 'birch', 'cedar', 'date', 'elm', 'fir', 'gum', 'hazel'];
  if (!(count >= 1 && count <= trees.length))
    throw new Error(`TEST_DATABASE_CELLS must be a number from 1 to ${trees.length}.`);
  return trees.slice(0, count);
}

/** Some sort differently by the code units of UTF-16 than by their bytes. */
const actors = ['ana', 'Bob', 'zoë', 'ﬁn', '𝒳', '', 'a b', 'ana2'];
const actions = ['created', 'updated', 'deleted'];
const first = Date.parse('2026-06-30T22:00:00Z');
const eventMakers = fc.record({
  second: fc.integer({ min: 0, max: 400 }),
  actor: fc.constantFrom(...actors),
  action: fc.constantFrom(...actions),
  table: fc.constantFrom('teams', 'keys', 'ÿ'),
  object: fc.integer({ min: 0, max: 12 }),
  team: fc.option(fc.integer({ min: 0, max: 3 })),
  key: fc.constantFrom('', 'hash-1', 'hash-2'),
  tenant: fc.constantFrom('', 'acme', 'Zürich'),
  /** LiteLLM sends values as JSON text inside a string. */
  isText: fc.boolean(),
  words: fc.constantFrom('budget raised', 'Budget', 'raised 2500', 'Maßnahme'),
  size: fc.oneof({ weight: 20, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(300_000) }),
});

const events: WireEvent[] = fc
  .sample(eventMakers, { numRuns: 900, seed: 19 })
  .map(({ second, actor, action, table, object, team, key, tenant, isText, words, size }) => {
    const before = team === null ? null : { team_id: `t${team}`, token: `k${team % 2}`, n: second % 7 };
    const updated = {
      n: second % 5,
      ...(team !== null && { team_id: `t${(team + 1) % 4}` }),
      limits: { rpm: [second % 3, team] },
      note: 'x'.repeat(size),
    };
    return anEvent({
      // Many events have the same time, across the end of a month.
      updated_at: new Date(first + second * 30_000).toISOString(),
      changed_by: actor || 'nobody',
      changed_by_api_key: key,
      action,
      table_name: table,
      object_id: String(object),
      tenant,
      before_value: isText && before !== null ? JSON.stringify(before) : before,
      updated_values: isText ? ` ${JSON.stringify(updated)}` : updated,
      context: { words, size: size === 0 ? 'small' : 'large' },
    });
  });

beforeAll(async () => {
  one = await createApiFixture();
  for (let at = 0; at < events.length; at += 100) await one.db.store(events.slice(at, at + 100));
  const firstDatabase = openTestDatabase();
  databases = await Promise.all(
    names.map(async (name, index) => {
      if (index === 0) return firstDatabase;
      return index === 1 ? openTestSchema((await firstDatabase).url, `cell_${name}`) : openTestDatabase();
    }),
  );
  for (const [index, name] of names.entries()) await copyEvents(one.db, databases[index] as TestDatabase, name);
  cells = await startApi('', {
    DATABASE_CELLS: listCells('api', Object.fromEntries(databases.map((db, index) => [names[index], db]))),
  });
  // Not by the api: it would store an event about the key, with another id in each database.
  for (const { sql } of [one.db, ...databases])
    await sql`
      insert into auditbox.api_key (key_id, name, key_hash, scopes, tenant)
      values (${tenantKeyId}, 'reader', ${hashApiKey(tenantKey)}, '{read}', 'acme')`;
});
afterAll(async () => {
  await one.close();
  // The first one drops its database.
  for (const db of databases.toReversed()) await db.close(1_000);
});

/** Copies the events of a cell with all that the database added to them. */
async function copyEvents(from: TestDatabase, to: TestDatabase, cell: string): Promise<void> {
  const columns = `id, occurred_at, occurred_at_digits, changed_by, changed_by_api_key, action, table_name,
    object_id, before_value, updated_values, context, traceparent, recorded_by, tenant, redacted, content_hash`;
  const rows = await from.sql.unsafe<{ id: string; row: string }[]>(
    'select a.id::text, to_json(a)::text as row from auditbox.audit_log a order by recorded_at, id',
  );
  const own = rows.filter(({ id }) => cellOf(id, names) === cell);
  expect(own.length).toBeGreaterThan((events.length / names.length) * 0.6);
  await to.sql`select auditbox.make_month('2026-06-01'), auditbox.make_month('2026-07-01')`;
  const json = `[${own.map(({ row }) => row).join()}]`;
  await to.sql.unsafe(
    `insert into auditbox.audit_log (${columns})
     select ${columns} from json_populate_recordset(null::auditbox.audit_log, $1::text::json)`,
    [json],
  );
  // The database gives no other way to set it.
  await to.sql`alter table auditbox.audit_log disable trigger audit_log_append_only`;
  await to.sql`
    update auditbox.audit_log a set recorded_at = given.recorded_at
    from json_populate_recordset(null::auditbox.audit_log, ${json}::text::json) given
    where a.id = given.id and a.occurred_at = given.occurred_at`;
  await to.sql`alter table auditbox.audit_log enable always trigger audit_log_append_only`;
}

/** What a caller of a list or an export may use. */
const comparedHeaders = ['content-type', 'content-disposition', 'link', 'auditbox-record-begins-at', 'vary', 'allow'];

/** Compares both answers, except for the ids of the requests. */
async function ask(
  path: string,
  { method = 'GET', isTenants = false, headers = {} as Record<string, string> } = {},
): Promise<{ status: number; text: string; next: string | null }> {
  const [a, b] = await Promise.all([
    one.request(path, { method, headers, ...(isTenants && { key: tenantKey }) }),
    cells.request(path, { method, headers, ...(isTenants && { key: tenantKey }) }),
  ]);
  expect(a.status, a.text).toBeLessThan(500);
  expect(b.text.replace(/"request_id":"[^"]*"/, ''), path).toBe(a.text.replace(/"request_id":"[^"]*"/, ''));
  expect(b.status, path).toBe(a.status);
  for (const name of comparedHeaders)
    expect([path, name, b.headers.get(name)]).toEqual([path, name, a.headers.get(name)]);
  return { status: a.status, text: a.text, next: a.body?.next_cursor ?? null };
}

const filterValues = {
  changed_by: fc.constantFrom('ana', 'zoë,𝒳', 'ﬁn', 'Bob,ana,nobody', 'missing'),
  action: fc.constantFrom(...actions, 'created,deleted'),
  table_name: fc.constantFrom('teams', 'keys,ÿ'),
  object_id: fc.constantFrom('1', '3,4,5', '99'),
  object_team_id: fc.constantFrom('t0', 't1'),
  search: fc.constantFrom('ana', '7', 't2', 'k1'),
  'updated_values.n': fc.constantFrom('0', '3'),
  'before_value.team_id': fc.constantFrom('t0', 't3'),
  'updated_values.limits.rpm.0': fc.constantFrom('1', '2'),
  'context.size': fc.constantFrom('large', 'small'),
  object_key_hash: fc.constantFrom('k0', 'k1'),
  changed_by_api_key: fc.constantFrom('hash-1', 'hash-2,other'),
  changed_by_prefix: fc.constantFrom('an', '𝒳', 'z'),
  changed_by_any_case: fc.constantFrom('ANA', 'nobody'),
  recorded_by: fc.constantFrom('key:master', 'sql:nobody'),
  q: fc.constantFrom('budget', 'RAISED 2500', 'maßnahme', 'raised budget', 'nowhere'),
  start_date: fc.constantFrom('2026-06-30T22:30:00Z', '2026-07-01', '2026-06-01'),
  end_date: fc.constantFrom('2026-07-01T00:30:00.5Z', '2026-06-30'),
};
/** Three at most: with more, most answers would be empty, and two empty answers are alike. */
const filters = fc
  .tuple(fc.record(filterValues), fc.shuffledSubarray(Object.keys(filterValues), { maxLength: 3 }))
  .map(([values, names]): Record<string, string> => {
    const all: Record<string, string> = values;
    // A search in values needs a first time.
    const bound = names.some((name) => name.includes('.')) ? { start_date: '2026-06-28' } : {};
    return { ...bound, ...Object.fromEntries(names.map((name) => [name, all[name] as string])) };
  });
const orders = fc.record(
  {
    sort_by: fc.constantFrom(
      ...['updated_at', 'recorded_at', 'changed_by', 'changed_by_api_key', 'action', 'table_name', 'object_id', 'id'],
    ),
    sort_order: fc.constantFrom('asc', 'desc'),
  },
  { requiredKeys: [] },
);
const search = (...parts: object[]) => new URLSearchParams(Object.assign({}, ...parts)).toString();

test('every list by a cursor has the same pages to its end', async () => {
  const runs = 30;
  let withEvents = 0;
  await fc.assert(
    fc.asyncProperty(filters, orders, fc.integer({ min: 1, max: 100 }), async (filter, order, size) => {
      let cursor: string | null = '';
      for (let pages = 0; cursor !== null && pages < 8; pages += 1) {
        const page = await ask(`/audit?${search(filter, order, { page_size: size, cursor })}`);
        if (pages === 0 && page.text.includes('{"id":')) withEvents += 1;
        cursor = page.next;
      }
    }),
    { numRuns: runs, seed: 1 },
  );
  // Two empty answers show little.
  expect(withEvents).toBeGreaterThan(runs / 2);
});

test('a walk over all events by small pages has every event once, in order', async () => {
  let cursor: string | null = '';
  const ids: string[] = [];
  while (cursor !== null) {
    const { text, next } = await ask(`/audit?page_size=97&sort_by=changed_by&sort_order=desc&cursor=${cursor}`);
    ids.push(...JSON.parse(text).audit_logs.map(({ id }: { id: string }) => id));
    cursor = next;
  }
  expect(ids.toSorted()).toEqual(events.map(({ id }) => id).sort());
});

test('every numbered page has the same events and totals, however deep', async () => {
  await fc.assert(
    fc.asyncProperty(
      filters,
      orders,
      fc.integer({ min: 1, max: 100 }),
      fc.integer({ min: 1, max: 40 }),
      async (filter, order, size, page) => {
        await ask(`/audit?${search(filter, order, { page_size: size, page })}`);
      },
    ),
    { numRuns: 40, seed: 2 },
  );
});

test('every export has the same bytes', async () => {
  await fc.assert(
    fc.asyncProperty(filters, orders, fc.constantFrom('ndjson', 'csv'), async (filter, order, format) => {
      await ask(`/audit/export?${search(filter, order, { format, closing_line: 'true' })}`);
    }),
    { numRuns: 15, seed: 3 },
  );
});

test('every chart has the same counts', async () => {
  await fc.assert(
    fc.asyncProperty(
      filters,
      fc.record(
        {
          group_by: fc.constantFrom('action', 'table_name', 'changed_by'),
          interval: fc.constantFrom('hour', 'day'),
          time_zone: fc.constantFrom('UTC', 'Asia/Kolkata'),
        },
        { requiredKeys: [] },
      ),
      async ({ start_date: _start, end_date: _end, ...filter }, chart) => {
        await ask(`/audit/stats?${search(filter, chart, { start_date: '2026-06-28', end_date: '2026-07-03' })}`);
      },
    ),
    { numRuns: 30, seed: 4 },
  );
  // By the minute, in zones whose hours and days begin at a half or a quarter, and in one that changes its clock.
  for (const time_zone of ['Asia/Kathmandu', 'Pacific/Chatham', 'America/St_Johns', 'Europe/Kyiv', 'Etc/GMT+12'])
    for (const [interval, start_date, end_date] of [
      ['minute', '2026-06-30T23:00:00Z', '2026-07-01T02:00:00Z'],
      ['hour', '2026-06-30', '2026-07-01'],
      ['day', '2026-03-01', '2026-07-02T12:00'],
    ])
      await ask(
        `/audit/stats?${search({ time_zone, interval, start_date, end_date, group_by: 'changed_by', 'context.size': 'small' })}`,
      );
});

test('every history of an object has the same steps', async () => {
  for (const table of ['teams', 'keys', 'ÿ'])
    for (const object of ['0', '5', '12', 'missing']) {
      let cursor: string | null = '';
      while (cursor !== null)
        cursor = (
          await ask(`/audit/objects/${encodeURIComponent(table)}/${object}?${search({ page_size: 7, cursor })}`)
        ).next;
    }
});

test('every event is found by its id, and so are the states of its copy', async () => {
  for (const { id } of events.slice(0, 60)) await ask(`/audit/${id}`);
  await ask('/audit/00000000-0000-4000-8000-000000000000');
  await ask(
    `/audit/archive?ids=${events
      .slice(0, 200)
      .map(({ id }) => id)
      .join()}`,
  );
});

test('a feed has every event once, page after page', async () => {
  const seen: string[] = [];
  let cursor = '';
  for (let isCaughtUp = false; !isCaughtUp; ) {
    const query = search({ recorded_after: '2026-01-01', page_size: 83, cursor });
    const { status, body, text } = await cells.request(`/audit?${query}`);
    expect(status, text).toBe(200);
    seen.push(...body.audit_logs.map(({ id }: { id: string }) => id));
    cursor = body.next_cursor;
    isCaughtUp = body.caught_up;
  }
  expect(seen.toSorted()).toEqual(events.map(({ id }) => id).sort());
});

test('a key that is bound to a tenant gets the same answers, of its tenant alone', async () => {
  const [first] = events.filter(({ tenant }) => tenant === 'Zürich');
  for (const path of ['/audit', '/audit?page=3&page_size=40', '/audit/export?format=csv', `/audit/${first?.id}`])
    await ask(path, { isTenants: true });
  await ask('/audit/stats?start_date=2026-06-28&end_date=2026-07-03&group_by=action', { isTenants: true });
  let [cursor, count] = ['' as string | null, 0];
  while (cursor !== null) {
    const { text, next } = await ask(`/audit/objects/teams/5?${search({ page_size: 6, cursor })}`, { isTenants: true });
    count += JSON.parse(text).audit_logs.length;
    cursor = next;
  }
  const own = ({ tenant, table_name, object_id }: WireEvent) =>
    tenant === 'acme' && table_name === 'teams' && object_id === '5';
  expect(count).toBe(events.filter(own).length);
});

test('pages that end early, because their events are large, end at the same event', async () => {
  const large = { 'context.size': 'large', start_date: '2026-06-28' };
  for (const order of [{}, { sort_by: 'changed_by', sort_order: 'asc' }, { sort_by: 'id' }]) {
    const sizes: number[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page = await ask(`/audit?${search(order, large, { page_size: 100, cursor })}`);
      sizes.push(JSON.parse(page.text).audit_logs.length);
      cursor = page.next;
    }
    // 8 MiB have fewer than thirty of them.
    expect(Math.max(...sizes)).toBeLessThan(30);
    expect(sizes.length).toBeGreaterThan(1);
    for (const page of [1, 2, 3]) await ask(`/audit?${search(order, large, { page_size: 30, page })}`);
  }
});

test('HEAD, and formats by Accept, have the same headers and no other body', async () => {
  for (const path of [
    '/audit?page_size=5',
    '/audit?cursor=',
    '/audit/export?object_id=3',
    `/audit/${events[0]?.id}`,
    '/audit/stats',
  ])
    await ask(path, { method: 'HEAD' });
  for (const accept of ['text/csv', 'application/x-ndjson', 'text/html'])
    await ask('/audit/export?object_id=3&bom=true&closing_line=true', { headers: { accept } });
});

test('mistakes are the same problems', async () => {
  const { next } = await ask('/audit?page_size=5&action=created');
  for (const query of [
    'page_size=0',
    'sort_by=nothing',
    `cursor=${next}`,
    `action=created&sort_order=asc&cursor=${next}`,
    'cursor=bm90aGluZw',
    'time_zone=Nowhere/City',
    'q=%20',
    'updated_values.=1',
    'page=1000000000&page_size=100',
  ])
    await ask(`/audit?${query}`);
  for (const path of [
    '/audit/nothing',
    '/audit/objects/teams/5?page_size=x',
    '/audit/stats?interval=week',
    '/audit/archive',
    '/nowhere',
  ])
    await ask(path);
});

test('a page is found wherever its number is: the last pages, and those behind the end', async () => {
  const pages = Math.ceil(events.length / 90);
  for (const page of [pages - 1, pages, pages + 1, pages + 20]) await ask(`/audit?page_size=90&page=${page}`);
});
