import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type ApiFixture, createApiFixture } from '@auditbox/testing/fixtures/api-fixture.ts';
import { lockAuditLog } from '@auditbox/testing/fixtures/lock-audit-log.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

/* Counting has a limit, and so have numbered pages. A cursor reaches the events after it. */

let api: ApiFixture;
beforeAll(async () => {
  api = await createApiFixture({ AUDIT_TOTAL_MAX: '1000' });
  await api.db.store([
    ...someEvents(1_000, { table_name: 'full', changed_by: 'both', object_id: 'both' }),
    ...someEvents(200, { table_name: 'rest', changed_by: 'other', object_id: 'both' }),
  ]);
});
afterAll(() => api.close());

const list = async (query: string) => api.request(`/audit?${query}`);

test.each(['', '&object_id=both', '&search=both', '&changed_by=both,other'])(
  'more than AUDIT_TOTAL_MAX match%s: the total is that number, and total_is_exact is false',
  async (query) => {
    const { body } = await list(`page_size=100${query}`);
    expect(body).toMatchObject({ total: 1_000, total_is_exact: false, total_pages: 10 });
  },
);

test('a total of AUDIT_TOTAL_MAX or less is exact', async () => {
  expect((await list('table_name=full')).body).toMatchObject({ total: 1_000, total_is_exact: true });
  expect((await list('search=other')).body).toMatchObject({ total: 200, total_is_exact: true });
});

test('every page that begins within the total works; a later page is rejected with a hint to the cursor', async () => {
  for (const query of ['page=10&page_size=100', 'page=1000&page_size=1', 'page=15&page_size=70']) {
    const { status, body } = await list(query);
    expect(status).toBe(200);
    expect(body.audit_logs).toHaveLength(Number(/page_size=(\d+)/.exec(query)?.[1]));
    expect(body.next_cursor).not.toBeNull();
  }
  for (const query of ['page=11&page_size=100', 'page=1001&page_size=1', 'page=1000000000&page_size=100']) {
    const { status, body } = await list(query);
    expect(status).toBe(400);
    expect(body.errors).toMatchObject([{ path: 'page', message: expect.stringContaining('cursor') }]);
  }
});

test('the cursor of the last numbered page leads to all later events', async () => {
  const ids = new Set<string>();
  for (let page = 1; page <= 10; page += 1)
    for (const { id } of (await list(`page=${page}&page_size=100`)).body.audit_logs) ids.add(id);
  let cursor: string | null = (await list('page=10&page_size=100')).body.next_cursor;
  while (cursor !== null) {
    const { body } = await list(`page_size=100&cursor=${cursor}`);
    for (const { id } of body.audit_logs) ids.add(id);
    cursor = body.next_cursor;
  }
  expect(ids.size).toBe(1_200);
});

test('a page beyond an exact total is empty', async () => {
  const { status, body } = await list('table_name=full&page=11&page_size=100');
  expect(status).toBe(200);
  expect(body).toMatchObject({ audit_logs: [], total: 1_000, total_pages: 10, next_cursor: null });
});

test.each(['/audit', '/audit/export', '/audit/stats', '/audit/objects/teams/42'])(
  '%s is a 503 with Retry-After when its statement runs too long',
  async (path) => {
    const unlock = await lockAuditLog(api.db);
    const asked = api.request(path);
    const session = await eventually(async () => {
      const [found] = await api.db.sql<{ pid: number }[]>`
        select pid from pg_stat_activity
        where datname = current_database() and application_name = 'auditbox api reads' and wait_event_type = 'Lock'`;
      if (!found) throw new Error('Nothing waits yet.');
      return found;
    });
    // The same error as after statement_timeout, without the wait.
    await api.db.sql`select pg_cancel_backend(${session.pid}::int)`;
    const answer = await asked;
    await unlock();
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(answer.body.detail).toBe('The database did not answer in time (57014).');
  },
);
