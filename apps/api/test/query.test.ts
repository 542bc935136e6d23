import { type ApiFixture, createApiFixture } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent, type WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

let api: ApiFixture;
const key = 'a'.repeat(64);
const yesterday = new Date(Date.now() - 86_400_000).toISOString();

/** One event for each filter, among events that almost match. */
const events = {
  plain: anEvent({ changed_by: 'ana', action: 'created', table_name: 'teams', object_id: 'plain' }),
  comma: anEvent({ changed_by: 'Smith, John', action: 'updated', object_id: 'comma' }),
  smith: anEvent({ changed_by: 'Smith', action: 'updated', object_id: 'smith' }),
  strange: anEvent({ changed_by: 'Ärzte [^-\\].*$', action: 'updated', object_id: 'strange' }),
  greek: anEvent({ changed_by: 'Νίκος', action: 'updated', object_id: 'greek' }),
  rare: anEvent({ changed_by: 'svc-rotator', action: 'rotated', object_id: 'rare' }),
  blocked: anEvent({ changed_by: 'svc-blocker', action: 'blocked', object_id: 'blocked' }),
  team: anEvent({
    object_id: 'team',
    before_value: { team_id: 't1' },
    updated_values: { team_id: 't1', models: ['gpt-5'] },
  }),
  tenth: anEvent({ object_id: 'tenth', before_value: null, updated_values: { team_id: 't10' } }),
  moved: anEvent({ object_id: 'moved', before_value: { team_id: 't1' }, updated_values: { team_id: 't2' } }),
  nested: anEvent({ object_id: 'nested', updated_values: { metadata: { team_id: 't1' }, list: ['t1'] } }),
  hashed: anEvent({ object_id: 'hashed', updated_values: { token: key } }),
  other: anEvent({ object_id: key, updated_values: { token: 'b'.repeat(64) } }),
  budget: anEvent({
    object_id: 'budget',
    updated_values: { max_budget: 7777, limits: { rpm: [10, 20.5] }, open: true },
  }),
  dotted: anEvent({ object_id: 'dotted', updated_values: { 'a.b': { c: 'Grüße, "quoted" \\ and\nlines' } } }),
  sourced: anEvent({ object_id: 'sourced', context: { ip: '192.0.2.7', agent: 'curl/8.5 (linux)' } }),
  list: anEvent({ object_id: 'list', before_value: [1, 'zebra'], updated_values: 'zebra crossing' }),
  nulls: anEvent({ object_id: 'nulls', updated_values: { nobody: null, text: 'null' } }),
  large: anEvent({ object_id: 'large', updated_values: { text: `${'lorem '.repeat(40_000)}needle`, team_id: 'big' } }),
} satisfies Record<string, WireEvent>;
type Name = keyof typeof events;

beforeAll(async () => {
  api = await createApiFixture();
  await api.db.store(Object.values(events));
});
afterAll(() => api.close());

const findName = ({ id }: { id: string }) =>
  (Object.keys(events) as Name[]).find((name) => events[name].id === id) as Name;

test.each<[string, Name[]]>([
  ['action=rotated,blocked', ['rare', 'blocked']],
  ['action=rotated,blocked,rotated', ['rare', 'blocked']],
  ['action=rotated,blocked&changed_by_prefix=svc-r', ['rare']],
  ['changed_by=ana,svc-rotator', ['plain', 'rare']],
  ['changed_by=Smith%2C%20John', ['comma', 'smith']],
  ['changed_by=Smith%5C%2C%20John', ['comma']],
  ['changed_by_prefix=svc-', ['rare', 'blocked']],
  ['changed_by_prefix=Sm', ['comma', 'smith']],
  ['changed_by_prefix=%25', []],
  ['changed_by_any_case=SMITH', ['smith']],
  ['changed_by_any_case=smith,%20john', ['comma']],
  ['changed_by_any_case=SVC-ROTATOR', ['rare']],
  ['changed_by_any_case=SVC.ROTATOR', []],
  ['changed_by_any_case=rotator', []],
  ['changed_by_any_case=%CE%9D%CE%8A%CE%9A%CE%9F%CE%A3', ['greek']],
  ['changed_by_any_case=%C3%A4RZTE%20%5B%5E-%5C%5D.*%24', ['strange']],
  ['changed_by_any_case=%C3%84rzte%20%5B%5E-%5C%5D.*%24', ['strange']],
  ['object_id=plain,team,none', ['plain', 'team']],
  ['object_team_id=t1', ['team', 'moved']],
  ['object_team_id=t2', ['moved']],
  ['object_team_id=t10', ['tenth']],
  ['object_team_id=big', ['large']],
  [`object_key_hash=${key}`, ['hashed']],
  [`object_key_hash=${key}&object_team_id=t1`, []],
  [`search=${key}`, ['hashed', 'other']],
  ['search=t1', ['team', 'moved']],
  ['search=ana', ['plain']],
  ['search=team', ['team']],
  ['updated_values.max_budget=7777', ['budget']],
  ['updated_values.max_budget=777', []],
  ['updated_values.limits.rpm.1=20.5', ['budget']],
  ['updated_values.open=true', ['budget']],
  ['updated_values.nobody=null', ['nulls']],
  ['updated_values.text=null', ['nulls']],
  ['updated_values.a%5C.b.c=Gr%C3%BC%C3%9Fe%2C%20%22quoted%22%20%5C%20and%0Alines', ['dotted']],
  ['before_value.team_id=t1&updated_values.team_id=t2', ['moved']],
  ['context.ip=192.0.2.7', ['sourced']],
  ['context.agent=curl%2F8.5%20(linux)', ['sourced']],
  ['q=ZEBRA', ['list']],
  ['q=zebra%20crossing', ['list']],
  ['q=zebra%20nowhere', []],
  ['q=gr%C3%BC%C3%9Fe', ['dotted']],
  ['q=192.0.2.7', ['sourced']],
  ['q=gpt-5', ['team']],
  ['q=needle', ['large']],
  ['q=needle%20nowhere', []],
])('%s finds exactly the matching events, in pages, by cursor, in an export and in counts', async (given, names) => {
  // No index serves places in values and names in any case, and here none serves words.
  const query = /^q=|^changed_by_any_case=|\./.test(given) ? `${given}&start_date=${yesterday}` : given;
  const expected = names.map((name) => events[name].id).sort();
  const page = await api.request(`/audit?${query}&page_size=100`);
  expect(page.status).toBe(200);
  expect(page.body.audit_logs.map(findName).sort()).toEqual([...names].sort());
  expect(page.body).toMatchObject({ total: names.length, total_is_exact: true });
  const found: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { body } = await api.request(`/audit?${query}&page_size=1&cursor=${cursor}`);
    found.push(...body.audit_logs.map(({ id }: { id: string }) => id));
    cursor = body.next_cursor;
  }
  expect(found.sort()).toEqual(expected);
  const lines = (await api.request(`/audit/export?${query}`)).text.split('\n').filter((line) => line !== '');
  expect(lines.map((line) => JSON.parse(line).id).sort()).toEqual(expected);
  const stats = await api.request(`/audit/stats?${query}`);
  expect(stats.body.total).toBe(names.length);
});

test.each([
  'q=zebra',
  'changed_by_any_case=ANA',
  'updated_values.max_budget=7777',
  'context.ip=192.0.2.7&changed_by=ana',
])('%s needs a bound, because no index serves it, and says so', async (query) => {
  for (const path of ['/audit', '/audit/export']) {
    const unbounded = await api.request(`${path}?${query}`);
    expect(unbounded).toMatchObject({ status: 400, body: { errors: [{ path: 'start_date' }] } });
    const wide = await api.request(`${path}?${query}&start_date=2020-01-01`);
    expect(wide).toMatchObject({ status: 400, body: { errors: [{ path: 'start_date' }] } });
    for (const bound of [`start_date=${yesterday}`, 'object_id=list', 'object_team_id=t1', 'search=ana'])
      expect((await api.request(`${path}?${query}&${bound}`)).status).toBe(200);
  }
});

test('a word is found in a large value whose sender escaped it', async () => {
  const event = anEvent({ object_id: 'escaped', before_value: null, updated_values: '@' });
  const value = `"${'lorem '.repeat(40_000)} M\\u00fcller \\u00C4RZTE a\\/b \\ud835\\udd04"`;
  const body = JSON.stringify(event).replace('"@"', () => value);
  expect((await api.request('/audit', { body })).status).toBe(201);
  for (const words of ['Müller', 'MÜLLER', 'ärzte', 'a/b', '𝔄', 'lorem ärzte']) {
    const found = await api.request(`/audit?object_id=escaped&q=${encodeURIComponent(words)}`);
    expect(found.body.audit_logs, words).toHaveLength(1);
  }
  expect((await api.request('/audit?object_id=escaped&q=m%C3%BCllerin')).body.audit_logs).toEqual([]);
});

test('values with thousands of distinct words are stored, and found by a word', async () => {
  const ids = () => Array.from({ length: 5_100 }, () => crypto.randomUUID());
  const event = anEvent({
    object_id: 'many words',
    before_value: ids(),
    updated_values: ids(),
    context: { ids: [...ids(), 'haystack'] },
  });
  expect((await api.request('/audit', { body: event })).status).toBe(201);
  const found = await api.request(`/audit?q=haystack&start_date=${yesterday}`);
  expect(found).toMatchObject({ status: 200, body: { audit_logs: [{ object_id: 'many words' }] } });
});

test('a hundred values are accepted, a hundred and one are rejected', async () => {
  const many = (count: number) => Array.from({ length: count }, (_, n) => `o${n}`).join();
  expect((await api.request(`/audit?object_id=${many(100)}`)).status).toBe(200);
  expect(await api.request(`/audit?object_id=${many(101)}`)).toMatchObject({
    status: 400,
    body: { errors: [{ path: 'object_id', message: 'must be 100 values at most' }] },
  });
});
