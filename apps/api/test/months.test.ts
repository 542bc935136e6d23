import { type ApiFixture, createApiFixture } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

/* Each month of events is a table: a caller must not make many, and many must not slow or break reads. */

let api: ApiFixture;
beforeAll(async () => {
  api = await createApiFixture();
  await api.db.sql`
    select auditbox.make_month(at) from generate_series(timestamptz '2016-01-01', '2026-06-01', '1 month') as at`;
  await api.db.sql`
    insert into auditbox.audit_log (occurred_at, changed_by, action, table_name, object_id)
    select timestamptz '2016-01-15 00:00:00+00' + n * interval '1 month', 'ana', 'updated', 'old', n::text
    from generate_series(0, 119) n`;
});
afterAll(() => api.close());

const list = async (query: string) => api.request(`/audit?${query}`);
const objects = (logs: readonly { object_id: string }[]) => logs.map(({ object_id }) => Number(object_id));

test('twenty lists, exports, histories and look-ups of each kind at once over ten years all succeed', async () => {
  const { body } = await list('page_size=1');
  const paths = [
    '/audit',
    '/audit?cursor=',
    '/audit?sort_by=changed_by',
    '/audit?search=nobody',
    '/audit/export?table_name=nothing',
    '/audit/objects/old/7',
    '/audit?recorded_after=2020-01-01',
    `/audit/${body.audit_logs[0].id}`,
  ];
  for (const path of paths) {
    const answers = await Promise.all(Array.from({ length: 20 }, () => api.request(path)));
    expect({ path, statuses: [...new Set(answers.map(({ status }) => status))] }).toEqual({ path, statuses: [200] });
  }
});

test.each(['desc', 'asc'])(
  'pages and cursors over ten years hold every event once, %s, with an exact total',
  async (order) => {
    const numbered: number[] = [];
    for (let page = 1; page <= 5; page += 1) {
      const { body } = await list(`table_name=old&sort_order=${order}&page_size=25&page=${page}`);
      expect(body).toMatchObject({ total: 120, total_is_exact: true, total_pages: 5 });
      numbered.push(...objects(body.audit_logs));
    }
    const found: number[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { body } = await list(`table_name=old&sort_order=${order}&page_size=7&cursor=${cursor}`);
      found.push(...objects(body.audit_logs));
      cursor = body.next_cursor;
    }
    const expected = Array.from({ length: 120 }, (_, n) => (order === 'asc' ? n : 119 - n));
    expect(numbered).toEqual(expected);
    expect(found).toEqual(expected);
  },
);

test('an export over ten years has every event, oldest first, in both formats', async () => {
  const lines = (await api.request('/audit/export?table_name=old')).text.trimEnd().split('\n');
  expect(objects(lines.map((line) => JSON.parse(line)))).toEqual(Array.from({ length: 120 }, (_, n) => n));
  const cells = (await api.request('/audit/export?table_name=old&format=csv')).text.trimEnd().split('\r\n');
  expect(cells).toHaveLength(121);
});

test('dates inside of ten years leave out the events around them', async () => {
  const { body } = await list(
    'table_name=old&start_date=2017-01-15T00:00:00Z&end_date=2019-01-15T00:00:00Z&page_size=100',
  );
  expect(objects(body.audit_logs)).toEqual(Array.from({ length: 25 }, (_, n) => 36 - n));
  expect(body.total).toBe(25);
});

test('an event older than AUDIT_OLDEST_EVENT_DAYS is a 422 that names the place, alone and in a batch', async () => {
  const old = anEvent({ updated_at: new Date(Date.now() - 401 * 86_400_000).toISOString() });
  const recent = anEvent({ updated_at: new Date(Date.now() - 399 * 86_400_000).toISOString() });
  const single = await api.request('/audit', { body: old });
  expect(single.status).toBe(422);
  expect(single.body.errors).toMatchObject([{ path: 'updated_at', message: expect.stringContaining('400 days') }]);
  const batch = await api.request('/audit/batch', { body: [recent, old] });
  expect(batch.status).toBe(422);
  expect(batch.body.errors).toMatchObject([{ path: '[1].updated_at' }]);
  expect((await api.request('/audit', { body: recent })).status).toBe(201);
});

test('a batch that needs more than two new months is a 422 that names the place, and makes none', async () => {
  const own = await createApiFixture();
  const ago = (months: number) => {
    const now = new Date();
    return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 15)).toISOString();
  };
  const before = await countMonths(own);
  const events = [5, 6, 7].map((months) => anEvent({ updated_at: ago(months) }));
  const refused = await own.request('/audit/batch', { body: events });
  expect(refused.status).toBe(422);
  expect(refused.body.errors).toMatchObject([{ path: '[2].updated_at' }]);
  expect(await countMonths(own)).toBe(before);
  expect((await own.request('/audit/batch', { body: events.slice(0, 2) })).status).toBe(201);
  expect(await countMonths(own)).toBe(before + 2);
  await own.db.close(1_000);
});

test('an event that is right is a 503 where its month was detached by hand, or closed before it was over', async () => {
  const now = new Date();
  const monthAgo = (months: number) => new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 1));
  const tableOf = (month: Date) => `auditbox.audit_log_${month.toISOString().slice(0, 7).replace('-', '_')}`;
  const eventOf = (month: Date) => anEvent({ updated_at: month.toISOString() });
  const countCreated = async () => {
    const { text } = await api.request('/metrics');
    return Number(/^auditbox_events_accepted_total\{.*outcome="created".*\} (\d+)$/m.exec(text)?.[1]);
  };
  const [current, closed, detached] = [monthAgo(0), monthAgo(2), monthAgo(3)];
  for (const month of [closed, detached]) await api.db.sql`select auditbox.make_month(${month.toISOString()})`;
  await api.db.sql.unsafe(`alter table auditbox.audit_log detach partition ${tableOf(detached)}`);
  const isClosed = 'constraint audit_log_month_closed';
  for (const month of [current, closed])
    await api.db.sql.unsafe(`alter table ${tableOf(month)} add ${isClosed} check (false) not valid`);
  try {
    const reasons = [
      { event: eventOf(detached), detail: expect.stringContaining('was detached by hand') },
      { event: eventOf(current), detail: expect.stringContaining('retention is removing a month that is not over') },
    ];
    const createdBefore = await countCreated();
    for (const { event, detail } of reasons) {
      const good = anEvent({ updated_at: '2026-01-05T00:00:00Z' });
      for (const [path, body] of [
        ['/audit', event],
        ['/audit/batch', [good, event]],
        // Callers drop what a partial batch refuses.
        ['/audit/batch?partial=true', [event]],
        ['/audit/batch?partial=true', [good, event]],
      ] as const) {
        const answer = await api.request(path, { body });
        expect(answer.body).toMatchObject({ status: 503, detail, code: 'database-misconfigured' });
        expect(answer.headers.get('retry-after')).toBe('1');
      }
      expect((await api.request(`/audit/${good.id}`)).status).toBe(200);
    }
    // The good one of each partial batch.
    expect(await countCreated()).toBe(createdBefore + reasons.length);
    // Retention is right to remove a month that is over.
    expect((await api.request('/audit', { body: eventOf(closed) })).status).toBe(422);
  } finally {
    await api.db.sql.unsafe(`alter table ${tableOf(current)} drop ${isClosed}`);
  }
});

async function countMonths(fixture: ApiFixture): Promise<number> {
  return (await fixture.db.sql`select from auditbox.list_months()`).length;
}
