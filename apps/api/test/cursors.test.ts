import { type ApiFixture, createApiFixture } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent, someEvents, type WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

let api: ApiFixture;
/** Three share each time, and most share everything that can be sorted by. */
const events: WireEvent[] = Array.from({ length: 45 }, (_, n) =>
  anEvent({
    updated_at: `2026-07-03T11:${String(Math.floor(n / 3)).padStart(2, '0')}:00Z`,
    changed_by: `user${n % 2}`,
    object_id: `o${n % 3}`,
    table_name: 'sorted',
  }),
);
beforeAll(async () => {
  api = await createApiFixture();
  await api.db.store(events);
});
afterAll(() => api.close());

const ask = async (query: string) => (await api.request(`/audit?${query}`)).body;
const getIds = (logs: readonly { id: string }[]) => logs.map(({ id }) => id);

test.each(
  ['updated_at', 'recorded_at', 'changed_by', 'changed_by_api_key', 'action', 'table_name', 'object_id', 'id'].flatMap(
    (by) => [[by, 'asc'] as const, [by, 'desc'] as const],
  ),
)('by %s %s, cursors lead through the same list as pages, to its end', async (by, order) => {
  const query = `table_name=sorted&sort_by=${by}&sort_order=${order}`;
  const whole = getIds((await ask(`${query}&page_size=100`)).audit_logs);
  expect(whole).toHaveLength(events.length);
  const found: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const body = await ask(`${query}&page_size=7&cursor=${cursor}`);
    found.push(...getIds(body.audit_logs));
    cursor = body.next_cursor;
  }
  expect(found).toEqual(whole);
});

test('each answer links to the next page, and the last answer has no link', async () => {
  const found: string[] = [];
  for (let path: string | undefined = '/audit?table_name=sorted&page_size=10'; path !== undefined; ) {
    const { body, headers } = await api.request(path);
    found.push(...getIds(body.audit_logs));
    path = /^<(.+)>; rel="next"$/.exec(headers.get('link') ?? '')?.[1];
  }
  expect(found).toHaveLength(events.length);
  expect(new Set(found).size).toBe(events.length);
});

test('while newer and older events are written, a list by cursor has every earlier event exactly once', async () => {
  let isReading = true;
  const writing = (async () => {
    for (let n = 0; isReading; n += 1) {
      const time = n % 2 === 0 ? '2026-07-03T10:00:00Z' : '2026-07-03T11:30:00Z';
      await api.db.store(someEvents(5, { updated_at: time, table_name: 'sorted' }));
    }
  })();
  const found: string[] = [];
  for (let cursor: string | null = ''; cursor !== null && found.length < 10_000; ) {
    const body = await ask(`table_name=sorted&page_size=5&start_date=2026-07-03T11:00:00Z&cursor=${cursor}`);
    found.push(...getIds(body.audit_logs));
    cursor = body.next_cursor;
  }
  isReading = false;
  await writing;
  expect(new Set(found).size).toBe(found.length);
  expect(found).toEqual(expect.arrayContaining(getIds(events)));
});

test.each([
  ['another filter', 'changed_by=user1&page_size=5'],
  ['one filter less', 'page_size=5'],
  ['another order', 'changed_by=user0&sort_order=asc&page_size=5'],
  ['another column', 'changed_by=user0&sort_by=object_id&page_size=5'],
])('a cursor with %s is a 400 that says so', async (_what, query) => {
  const { next_cursor } = await ask('changed_by=user0&page_size=5');
  const { status, body } = await api.request(`/audit?${query}&cursor=${next_cursor}`);
  expect(status).toBe(400);
  expect(body.errors).toEqual([{ path: 'cursor', message: expect.stringContaining('belongs to a list') }]);
});

test.each([
  'page=2&cursor=',
  'page=1&recorded_after=2026-01-01',
  'cursor=nonsense',
  'recorded_after=2026-01-01&sort_order=desc',
])('%s is a 400', async (query) => {
  expect((await api.request(`/audit?${query}`)).status).toBe(400);
});
