import { type ApiFixture, createApiFixture } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent, type WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

let api: ApiFixture;

/** Over 50 hours that begin before a midnight and a month's end, by 30 actors of whom some do more than others. */
const first = Date.parse('2026-06-29T22:59:59.999Z');
const events: WireEvent[] = Array.from({ length: 400 }, (_, n) =>
  anEvent({
    updated_at: new Date(first + n * 450_000).toISOString(),
    changed_by: `actor-${String(Math.floor(Math.sqrt(n * 2.2))).padStart(2, '0')}`,
    action: ['created', 'updated', 'updated', 'deleted'][n % 4] as string,
    table_name: n % 3 === 0 ? 'keys' : 'teams',
  }),
);

beforeAll(async () => {
  api = await createApiFixture();
  await api.db.store(events);
});
afterAll(() => api.close());

interface Count {
  readonly start: string;
  readonly group: string | null;
  readonly count: number;
}
const range = 'start_date=2026-06-29&end_date=2026-07-03';
async function stats(query: string) {
  const { status, text, body } = await api.request(`/audit/stats?${query}`);
  expect(status, text).toBe(200);
  return body as { total: number; counts: Count[]; start_date: string; end_date: string };
}

/** The same count without a database. */
function counted(interval: 'hour' | 'day', getGroup: (event: WireEvent) => string | null, of = events): Count[] {
  const counts = new Map<string, Count>();
  for (const event of of) {
    const at = event.updated_at as string;
    const start = interval === 'hour' ? `${at.slice(0, 13)}:00:00.000000Z` : `${at.slice(0, 10)}T00:00:00.000000Z`;
    const group = getGroup(event);
    const key = JSON.stringify([start, group ?? '~~~']);
    counts.set(key, { start, group, count: (counts.get(key)?.count ?? 0) + 1 });
  }
  return [...counts].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, count]) => count);
}

test.each(['hour', 'day'] as const)('counts by %s equal a count in the test', async (interval) => {
  const { total, counts } = await stats(`${range}&interval=${interval}`);
  expect(counts).toEqual(counted(interval, () => null));
  expect(total).toBe(400);
});

test.each(['action', 'table_name'] as const)('counts by %s too', async (group) => {
  for (const interval of ['hour', 'day'] as const)
    expect((await stats(`${range}&interval=${interval}&group_by=${group}`)).counts).toEqual(
      counted(interval, (event) => event[group]),
    );
});

test('the twenty largest groups have separate counts, and all other groups one count', async () => {
  const sizes = Map.groupBy(events, ({ changed_by }) => changed_by);
  expect(sizes.size).toBeGreaterThan(25);
  const largest = [...sizes]
    .sort(([one, { length: a }], [other, { length: b }]) => b - a || (one < other ? -1 : 1))
    .slice(0, 20)
    .map(([name]) => name);
  const { total, counts } = await stats(`${range}&group_by=changed_by`);
  expect(counts).toEqual(counted('day', ({ changed_by }) => (largest.includes(changed_by) ? changed_by : null)));
  expect(counts.some(({ group }) => group === null)).toBe(true);
  expect(total).toBe(400);
});

test('filters and dates to the microsecond narrow the counts', async () => {
  const query =
    'start_date=2026-06-30T00:00:00Z&end_date=2026-06-30T11:59:59.999999Z&action=updated,deleted&table_name=teams';
  const of = events.filter(
    ({ updated_at = '', action, table_name }) =>
      updated_at >= '2026-06-30' && updated_at < '2026-06-30T12' && action !== 'created' && table_name === 'teams',
  );
  expect((await stats(`${query}&interval=hour&group_by=action`)).counts).toEqual(
    counted('hour', ({ action }) => action, of),
  );
});

test('without a matching event there are no counts, even if the dates are in the wrong order', async () => {
  for (const query of [`${range}&changed_by=nobody`, 'start_date=2026-07-02&end_date=2026-07-01'])
    expect(await stats(query)).toMatchObject({ total: 0, counts: [] });
});

test('days begin by the clocks of the zone, also where Postgres has an abbreviation with the name of the zone', async () => {
  const table_name = 'zoned';
  await api.db.store(
    ['2026-07-02T21:59:59Z', '2026-07-02T22:00:00Z', '2026-01-02T23:00:00Z'].map((updated_at) =>
      anEvent({ table_name, updated_at }),
    ),
  );
  for (const zone of ['CET', 'Europe/Brussels', 'europe/brussels']) {
    const { counts } = await stats(
      `table_name=${table_name}&start_date=2026-01-01&end_date=2026-07-31&time_zone=${zone}`,
    );
    expect(counts.map(({ start }) => start)).toEqual([
      '2026-01-02T23:00:00.000000Z',
      '2026-07-01T22:00:00.000000Z',
      '2026-07-02T22:00:00.000000Z',
    ]);
  }
});

test('a zone that this process knows and the database does not is a 400', async () => {
  // The database has no zone of this name since 2020.
  const answer = await api.request(`/audit/stats?${range}&time_zone=US/Pacific-New`);
  expect(answer).toMatchObject({ status: 400, body: { errors: [{ path: 'time_zone' }] } });
});

test('without dates: the last 30 days, or the last day by hour', async () => {
  await api.db.store([anEvent({ table_name: 'recent', updated_at: new Date(Date.now() - 3_600_000).toISOString() })]);
  for (const [interval, days] of [
    ['day', 30],
    ['hour', 1],
  ] as const) {
    const { total, start_date, end_date } = await stats(`table_name=recent&interval=${interval}`);
    expect(total).toBe(1);
    expect(Date.parse(end_date) - Date.parse(start_date)).toBe(days * 86_400_000);
    expect(Math.abs(Date.parse(end_date) - Date.now())).toBeLessThan(60_000);
  }
});

test.each([
  ['interval=hour&start_date=2026-06-01T00:00:00Z&end_date=2026-07-02T00:00:00Z', 200],
  ['interval=hour&start_date=2026-06-01T00:00:00Z&end_date=2026-07-02T00:00:00.001Z', 400],
  ['start_date=2025-07-01T00:00:00Z&end_date=2026-07-02T00:00:00Z', 200],
  ['start_date=2025-07-01T00:00:00Z&end_date=2026-07-02T00:00:00.001Z', 400],
  ['start_date=0001-01-01', 400],
  ['end_date=0001-01-01', 200],
])('%s is a %i: as many points as a chart can show', async (query, status) => {
  const answer = await api.request(`/audit/stats?${query}`);
  expect(answer.status).toBe(status);
  if (status === 400) expect(answer.body.errors).toMatchObject([{ path: 'start_date' }]);
});

test.each(['interval=second', 'group_by=object_id', 'page=1', 'cursor=', 'sort_by=id', 'format=csv'])(
  '?%s is a 400 that names it',
  async (query) => {
    const { status, body } = await api.request(`/audit/stats?${query}`);
    expect(status).toBe(400);
    expect(body.errors).toMatchObject([{ path: query.split('=')[0] }]);
  },
);
