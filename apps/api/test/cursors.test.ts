import { type ApiFixture, createApiFixture } from '@auditbox/testing/api-fixture.ts';
import { eventually } from '@auditbox/testing/eventually.ts';
import { anEvent, someEvents, type WireEvent } from '@auditbox/testing/test-events.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

let api: ApiFixture;

/** All of it in three hours, by three actors: most are equal in whatever they are sorted by. */
const events: WireEvent[] = Array.from({ length: 60 }, (_, n) =>
  anEvent({
    updated_at: `2026-07-03T1${n % 3}:00:00Z`,
    changed_by: ['ana', 'Smith, John', 'ünï "\\'][n % 3] as string,
    changed_by_api_key: `key-${n % 2}`,
    action: n % 2 === 0 ? 'created' : 'updated',
    table_name: 'teams',
    object_id: `object-${n % 4}`,
    updated_values: { team_id: 't1', limits: { rpm: n % 2 } },
  }),
);

beforeAll(async () => {
  api = await createApiFixture();
  await api.db.store(events);
});
afterAll(() => api.close());

interface Listed {
  readonly audit_logs: readonly { id: string; recorded_at: string }[];
  readonly next_cursor: string | null;
}
const get = async (path: string) => {
  const answer = await api.request(path);
  expect(answer.status, answer.text).toBe(200);
  return answer.body as Listed;
};
const idsOf = (logs: readonly { id: string }[]) => logs.map(({ id }) => id);

/** The ids of a list, page after page; `during` happens while each page is asked for. */
async function walk(query: string, during: () => Promise<unknown> = async () => {}): Promise<string[]> {
  const found: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const [page]: [Listed, unknown] = await Promise.all([get(`/audit?${query}&cursor=${cursor}`), during()]);
    found.push(...idsOf(page.audit_logs));
    cursor = page.next_cursor;
  }
  return found;
}

const keys = [
  'updated_at',
  'recorded_at',
  'changed_by',
  'changed_by_api_key',
  'action',
  'table_name',
  'object_id',
  'id',
];
const orders = keys.flatMap((key) => ['asc', 'desc'].map((order) => `sort_by=${key}&sort_order=${order}`));

test.each(orders)(
  '%s: an empty cursor begins the list, and the last one is null behind every event once',
  async (order) => {
    const all = await get(`/audit?${order}&page_size=100&table_name=teams`);
    expect(await walk(`${order}&page_size=7&table_name=teams`)).toEqual(idsOf(all.audit_logs));
    expect(all.audit_logs).toHaveLength(60);
  },
);

test('the cursor is null with the last event, also where the pages are full to the last', async () => {
  const first = await get('/audit?page_size=30&table_name=teams');
  const second = await get(`/audit?page_size=30&table_name=teams&cursor=${first.next_cursor}`);
  expect(second.audit_logs).toHaveLength(30);
  expect(second.next_cursor).toBeNull();
});

test('the page size may change on the way', async () => {
  const first = await get('/audit?page_size=7&table_name=teams');
  const rest = await get(`/audit?page_size=100&table_name=teams&cursor=${first.next_cursor}`);
  expect(new Set(idsOf([...first.audit_logs, ...rest.audit_logs])).size).toBe(60);
  expect(rest.audit_logs).toHaveLength(53);
});

test.each([
  'sort_by=updated_at&sort_order=desc',
  'sort_by=updated_at&sort_order=asc',
  'sort_by=changed_by&sort_order=desc',
])(
  '%s: while others write newer and older events, nothing comes twice and nothing that was there is left out',
  async (order) => {
    const table = `watched-${order}`;
    const there = Array.from({ length: 120 }, (_, n) =>
      anEvent({ table_name: table, updated_at: `2026-07-10T${10 + (n % 10)}:00:00Z`, changed_by: `actor-${n % 5}` }),
    );
    await api.db.store(there);
    let writes = 0;
    // Of each event at hand some come before the place of the walk, some behind it, and some share its time.
    const write = async () => {
      writes += 1;
      if (writes > 30) return;
      const more = ['2026-07-09', '2026-07-10', '2026-07-11'].map((day) =>
        anEvent({
          table_name: table,
          updated_at: `${day}T${10 + (writes % 10)}:00:00Z`,
          changed_by: `actor-${writes % 7}`,
        }),
      );
      const answers = await Promise.all(more.map((body) => api.request('/audit', { body })));
      expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
    };
    const found = await walk(`${order}&page_size=5&table_name=${encodeURIComponent(table)}`, write);
    expect(new Set(found).size).toBe(found.length);
    expect(idsOf(there).filter((id) => !found.includes(id))).toEqual([]);
    expect(found.length).toBeGreaterThan(there.length);
  },
);

test.each([
  ['', '&changed_by=ana'],
  ['&changed_by=ana', ''],
  ['&changed_by=ana', '&changed_by=ana,bob'],
  ['&changed_by=ana', '&changed_by_prefix=ana'],
  ['&object_id=object-1', '&table_name=object-1'],
  ['&action=created', '&action=updated'],
  ['&q=t1', '&q=t1 1'],
  ['&search=t1', '&object_team_id=t1'],
  ['&updated_values.team_id=t1', '&before_value.team_id=t1'],
  ['&updated_values.limits.rpm=1', '&updated_values.limits.rpm=0'],
  ['&start_date=2026-07-03', '&start_date=2026-07-02'],
  ['', '&end_date=2026-07-04'],
  ['', '&sort_order=asc'],
  ['', '&sort_by=recorded_at'],
  ['&sort_by=changed_by', '&sort_by=object_id'],
])('a cursor of the list "%s" is refused with "%s"', async (of, with_) => {
  const { next_cursor: cursor } = await get(`/audit?page_size=2${of}`);
  expect(cursor).not.toBeNull();
  expect(await api.request(`/audit?page_size=2${with_}&cursor=${cursor}`)).toMatchObject({
    status: 400,
    body: { errors: [{ path: 'cursor', message: expect.stringContaining('other filters') }] },
  });
});

test('a cursor beside a page is refused', async () => {
  for (const cursor of ['', (await get('/audit?page_size=2')).next_cursor])
    expect(await api.request(`/audit?page=1&cursor=${cursor}`)).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'page' }] },
    });
});

test.each(['e30', 'WzEsIiIsW11d', '%25', 'null', 'W10', 'x'.repeat(5_000)])(
  'a cursor that is none of ours (%#) is refused',
  async (cursor) => {
    expect(await api.request(`/audit?cursor=${cursor}`)).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'cursor' }] },
    });
  },
);

test.each([
  'page=1&page_size=9&table_name=teams',
  'page_size=9&changed_by=Smith%5C%2C%20John',
  'page_size=9&changed_by=%C3%BCn%C3%AF+%22%5C%5C&sort_by=object_id',
  'page_size=9&updated_values.limits.rpm=1&q=t1&start_date=2026-07-03T13:00:00%2B02:00',
])('following rel="next" from ?%s leads through all events to an end', async (query) => {
  const total = (await api.request(`/audit?${query}`)).body.total as number;
  const found: string[] = [];
  for (let path: string | undefined = `/audit?${query}`; path !== undefined; ) {
    const { body, headers } = await api.request(path);
    found.push(...idsOf(body.audit_logs));
    path = /^<([^>]+)>; rel="next"$/.exec(headers.get('link') ?? '')?.[1];
    expect(path === undefined).toBe(body.next_cursor === null);
  }
  expect(total).toBeGreaterThan(9);
  expect(found).toHaveLength(total);
  expect(new Set(found).size).toBe(total);
});

test('a poller of recorded_after gets each event once and none never, also of transactions that commit late', async () => {
  const since = (await get('/audit?sort_by=recorded_at&page_size=1')).audit_logs[0]?.recorded_at;
  const query = `recorded_after=${since}&table_name=polled&page_size=3`;
  const polled: string[] = [];
  let cursor = '';
  const poll = async () => {
    const page = await get(`/audit?${query}&cursor=${cursor}`);
    polled.push(...idsOf(page.audit_logs));
    cursor = page.next_cursor ?? cursor;
  };
  const { promise: go, resolve: commit } = Promise.withResolvers<void>();
  const { promise: written, resolve: tell } = Promise.withResolvers<string>();
  const late = api.db.sql.begin(async (tx) => {
    const [row] = await tx<[{ id: string }]>`
      insert into audit_log (occurred_at, changed_by, action, table_name, object_id)
      values ('2026-07-05', 'late', 'created', 'polled', '1') returning id`;
    tell(row.id);
    await go;
  });
  const first = await written;
  const later = someEvents(8, { table_name: 'polled' });
  await api.db.store(later);
  // For so long that it is the open transaction alone that keeps them back.
  await eventually(async () => {
    const [row] = await api.db.sql<[{ age: number }]>`
      select extract(epoch from clock_timestamp() - max(recorded_at))::float8 as age from audit_log`;
    expect(row.age).toBeGreaterThan(1.5);
  });
  await poll();
  expect(polled).toEqual([]);
  commit();
  await late;
  await eventually(async () => {
    await poll();
    expect(polled.length).toBeGreaterThanOrEqual(9);
  });
  await poll();
  expect(polled[0]).toBe(first);
  expect(polled.sort()).toEqual([first, ...idsOf(later)].sort());
});
