import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type ApiFixture, createApiFixture, masterKey } from '@auditbox/testing/fixtures/api-fixture.ts';
import { lockAuditLog } from '@auditbox/testing/fixtures/lock-audit-log.ts';
import { sendTogether } from '@auditbox/testing/fixtures/send-together.ts';
import { anEvent, someEvents, type WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

/* Single events of concurrent requests share statements, and each request has a separate outcome. */

let api: ApiFixture;
beforeEach(async () => {
  api = await createApiFixture({ HTTP_BYTES_IN_FLIGHT: '1000000000', HTTP_BYTES_IN_FLIGHT_PER_KEY: '1000000000' });
});
afterEach(() => api.close());

const post = (body: WireEvent) => api.request('/audit', { body });

/** Sends events while writes wait for a lock, and releases the lock when some of them will share a statement. */
async function postTogether(events: readonly WireEvent[]) {
  const unlock = await lockAuditLog(api.db);
  const { answers } = await sendTogether(api, events, post);
  await unlock();
  return Promise.all(answers);
}

test('requests that wait at the same moment share a transaction', async () => {
  const answers = await postTogether(someEvents(60));
  expect(answers.map(({ status }) => status)).toEqual(Array(60).fill(201));
  const [row] = await api.db.sql<{ transactions: number; rows: number }[]>`
    select count(distinct a.xmin::text)::int as transactions, count(o.id)::int as rows
    from auditbox.audit_log a join auditbox.outbox o on o.audit_id = a.id`;
  expect(row?.rows).toBe(60);
  expect(row?.transactions).toBeLessThan(60);
});

test('a rejected event does not affect the events that share its statement', async () => {
  const stored = anEvent();
  await post(stored);
  const future = anEvent({ updated_at: '9000-01-01T00:00:00Z' });
  const other = { ...stored, changed_by: 'somebody else' };
  const events = [...someEvents(10), future, ...someEvents(10), other, stored, ...someEvents(10)];
  const answers = await postTogether(events);
  const expected = events.map((event) =>
    event === future ? 422 : event === other ? 409 : event === stored ? 200 : 201,
  );
  expect(answers.map(({ status }) => status)).toEqual(expected);
  expect(answers[10]?.body.errors).toMatchObject([{ path: 'updated_at' }]);
  expect(answers[21]?.body.errors).toMatchObject([{ path: 'id' }]);
  const [row] = await api.db.sql`select count(*)::int as count from auditbox.audit_log`;
  expect(row?.count).toBe(31);
});

test('the same event sent twenty times at once is stored once: one 201, nineteen 200', async () => {
  const event = anEvent();
  const answers = await postTogether(Array(20).fill(event));
  expect(answers.map(({ status }) => status).sort()).toEqual([...Array(19).fill(200), 201]);
  expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
});

test('one id sent at once with different contents: one event is stored, the other requests are a 409', async () => {
  const event = anEvent();
  const answers = await postTogether([0, 1, 2, 3].map((budget) => ({ ...event, updated_values: { budget } })));
  expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409]);
});

test('callers that disconnect while their events wait do not affect other events', async () => {
  const unlock = await lockAuditLog(api.db);
  const leaving = new AbortController();
  const goAway = someEvents(20).map((event) =>
    fetch(`${api.url}/audit`, {
      method: 'POST',
      headers: { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(event),
      signal: leaving.signal,
    }),
  );
  const staying = someEvents(20);
  const answers = staying.map(post);
  await eventually(async () => {
    const held = await api.db.sql`
      select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    expect(held).not.toHaveLength(0);
  });
  leaving.abort();
  expect((await Promise.allSettled(goAway)).every(({ status }) => status === 'rejected')).toBe(true);
  await unlock();
  expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array(20).fill(201));
  const [row] = await api.db.sql<[{ kept: number; alone: number }]>`
    select count(*) filter (where a.id in ${api.db.sql(staying.map(({ id }) => id))} and o.id is not null)::int as kept,
      count(*) filter (where a.id is null or o.id is null)::int as alone
    from auditbox.audit_log a full join auditbox.outbox o on o.audit_id = a.id`;
  expect(row).toEqual({ kept: 20, alone: 0 });
});

test('above the limit of waiting bytes a request is a 503 with Retry-After, and its event is not stored', async () => {
  const unlock = await lockAuditLog(api.db);
  const events = someEvents(60, { updated_values: 'x'.repeat(900_000) });
  const answers = events.map(async (event) => ({ event, answer: await post(event) }));
  const first = await Promise.race(answers);
  expect(first.answer.status).toBe(503);
  expect(first.answer.headers.get('retry-after')).toBe('1');
  await unlock();
  const all = await Promise.all(answers);
  const rejected = all.filter(({ answer }) => answer.status === 503).map(({ event }) => event.id);
  const kept = all.filter(({ answer }) => answer.status === 201).map(({ event }) => event.id);
  expect(rejected.length + kept.length).toBe(60);
  const rows = await api.db.sql<{ id: string }[]>`select id from auditbox.audit_log`;
  expect(rows.map(({ id }) => id).sort()).toEqual(kept.sort());
});
