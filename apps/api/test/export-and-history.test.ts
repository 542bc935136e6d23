import { get } from 'node:http';
import { type ApiFixture, createApiFixture, masterKey } from '@auditbox/testing/api-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/test-events.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

let api: ApiFixture;
beforeAll(async () => {
  api = await createApiFixture();
});
afterAll(() => api.close());

test('an export is the list, oldest first, whatever breaks lines in a value', async () => {
  const events = Array.from({ length: 25 }, (_, n) =>
    anEvent({ updated_at: `2026-07-03T11:00:${String(n).padStart(2, '0')}Z`, table_name: 'exported' }),
  );
  await api.db.store(events);
  await api.db.sql`
    insert into audit_log (occurred_at, changed_by, action, table_name, object_id, updated_values)
    values ('2026-07-03T12:00:00Z', 'raw', 'updated', 'exported', '1', ${'{"a":\n1,\r\n"b": 2}'}::text::json)`;
  const list = await api.request('/audit?table_name=exported&page_size=100&sort_order=asc');
  const { text, headers } = await api.request('/audit/export?table_name=exported');
  expect(headers.get('content-type')).toBe('application/x-ndjson; charset=utf-8');
  const lines = text.split('\n');
  expect(lines.pop()).toBe('');
  expect(lines.map((line) => JSON.parse(line))).toEqual(list.body.audit_logs);
});

test('CSV holds a row for each event, and no cell that a spreadsheet would run', async () => {
  await api.db.store([
    anEvent({ table_name: 'csv', changed_by: '=cmd()', object_id: 'a "quoted", one', before_value: null }),
  ]);
  const { text, headers } = await api.request('/audit/export?format=csv&table_name=csv');
  expect(headers.get('content-type')).toContain('text/csv');
  const [header, row, end] = text.split('\r\n');
  expect(header?.replaceAll('"', '')).toBe(
    'id,updated_at,changed_by,changed_by_api_key,action,table_name,object_id,before_value,updated_values,context,recorded_at',
  );
  expect(row).toContain(`"'=cmd()","","updated","csv","a ""quoted"", one",,"{""max_budget"":25}",,"`);
  expect(end).toBe('');
});

test.each([
  ['*/*', '', 'application/x-ndjson'],
  ['text/csv', '', 'text/csv'],
  ['application/x-ndjson, text/csv;q=0.5', '', 'application/x-ndjson'],
  ['text/csv', '&format=ndjson', 'application/x-ndjson'],
])('Accept: %s%s gives %s', async (accept, query, type) => {
  const { status, headers } = await api.request(`/audit/export?table_name=none${query}`, { headers: { accept } });
  expect(status).toBe(200);
  expect(headers.get('content-type')).toContain(type);
});

test('what cannot be accepted is a 406', async () => {
  expect((await api.request('/audit/export', { headers: { accept: 'image/png' } })).status).toBe(406);
});

/** Begins an export and takes its first bytes only. */
function beginExport(): Promise<{ ended: Promise<'whole' | 'broken'>; resume(): void }> {
  return new Promise((resolve, reject) => {
    const request = get(`${api.url}/audit/export?table_name=large`, {
      headers: { authorization: `Bearer ${masterKey}` },
    });
    request.once('error', reject);
    request.once('response', (response) => {
      const ended = new Promise<'whole' | 'broken'>((end) => {
        response.once('end', () => end('whole')).once('error', () => end('broken'));
      });
      response.once('data', () => {
        response.pause();
        resolve({ ended, resume: () => response.resume() });
      });
    });
  });
}

test('an export breaks off when a part of it fails: only a whole one ends well', async () => {
  await api.db.store(someEvents(2_000, { table_name: 'large', updated_values: { text: 'x'.repeat(10_000) } }));
  const whole = await beginExport();
  whole.resume();
  expect(await whole.ended).toBe('whole');
  const broken = await beginExport();
  await api.db.sql`alter table audit_log rename to audit_log_away`;
  broken.resume();
  expect(await broken.ended).toBe('broken');
  await api.db.sql`alter table audit_log_away rename to audit_log`;
});

test("an object's history says what each event changed, over pages too", async () => {
  const at = (n: number) => `2026-07-03T11:00:0${n}Z`;
  const object = { table_name: 'LiteLLM_VerificationToken', object_id: 'a/b 100%' };
  const row = { budget: 10, models: ['a'], owner: 'ana' };
  await api.db.store([
    anEvent({ ...object, action: 'created', updated_at: at(0), before_value: null, updated_values: row }),
    anEvent({ ...object, action: 'updated', updated_at: at(1), before_value: row, updated_values: { budget: 25 } }),
    anEvent({
      ...object,
      action: 'updated',
      updated_at: at(2),
      before_value: null,
      updated_values: { budget: 25, owner: 'bob' },
    }),
    anEvent({ ...object, action: 'deleted', updated_at: at(3), before_value: { budget: 25 }, updated_values: {} }),
    anEvent({ ...object, object_id: 'another', updated_at: at(1) }),
  ]);
  const path = `/audit/objects/${encodeURIComponent(object.table_name)}/${encodeURIComponent(object.object_id)}`;
  const expected = [
    [{ op: 'add', path: '', value: row }],
    [{ op: 'replace', path: '/budget', value: 25 }],
    [{ op: 'replace', path: '/owner', value: 'bob' }],
    [{ op: 'remove', path: '' }],
  ];
  const { body } = await api.request(path);
  expect(body).toMatchObject({ ...object, next_cursor: null });
  expect(body.audit_logs.map(({ changes }: { changes: unknown }) => changes)).toEqual(expected);
  const paged: unknown[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const answer = await api.request(`${path}?page_size=1&cursor=${cursor}`);
    const { audit_logs, next_cursor }: { audit_logs: { changes: unknown }[]; next_cursor: string | null } = answer.body;
    paged.push(...audit_logs.map(({ changes }) => changes));
    cursor = next_cursor;
  }
  expect(paged).toEqual(expected);
  const strict = await api.request(`${path}?partial=false`);
  expect(strict.body.audit_logs[1].changes).toContainEqual({ op: 'remove', path: '/owner' });
});

test('counts for charts are those of the events, by time and by group, the small groups together', async () => {
  const day = (n: number) => `2026-06-0${1 + n}T05:00:00Z`;
  await api.db.store([
    ...Array.from({ length: 30 }, (_, n) =>
      anEvent({ table_name: 'counted', changed_by: `user${n}`, updated_at: day(0) }),
    ),
    ...someEvents(5, { table_name: 'counted', changed_by: 'user0', updated_at: day(2) }),
  ]);
  const range = 'table_name=counted&start_date=2026-06-01&end_date=2026-06-05';
  const days = await api.request(`/audit/stats?${range}`);
  expect(days.body).toMatchObject({ interval: 'day', group_by: null, total: 35 });
  expect(days.body.counts).toEqual([
    { start: '2026-06-01T00:00:00.000000Z', group: null, count: 30 },
    { start: '2026-06-03T00:00:00.000000Z', group: null, count: 5 },
  ]);
  const grouped = (await api.request(`/audit/stats?${range}&group_by=changed_by&interval=hour`)).body.counts;
  expect(grouped).toContainEqual({ start: '2026-06-03T05:00:00.000000Z', group: 'user0', count: 5 });
  expect(grouped).toContainEqual({ start: '2026-06-01T05:00:00.000000Z', group: null, count: 10 });
  const tooLong = await api.request('/audit/stats?interval=hour&start_date=2026-01-01&end_date=2026-06-01');
  expect(tooLong).toMatchObject({ status: 400, body: { errors: [{ path: 'start_date' }] } });
});
