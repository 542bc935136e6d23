import { writePathPart } from '@auditbox/core/text/path-part.ts';
import { type ApiFixture, createApiFixture } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent, type WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { applyPatch, type Operation } from 'rfc6902';
import { afterAll, beforeAll, expect, test } from 'vitest';

let api: ApiFixture;
beforeAll(async () => {
  api = await createApiFixture();
});
afterAll(() => api.close());

interface Step extends WireEvent {
  readonly changes: readonly Operation[] | null;
}

/** Stores events of one object, a minute apart, and returns the path of its history. */
async function record(
  object_id: string,
  happened: readonly Partial<WireEvent>[],
  table_name = 'teams',
): Promise<string> {
  const events = happened.map((fields, n) =>
    anEvent({ table_name, object_id, updated_at: `2026-07-03T11:${String(n).padStart(2, '0')}:00Z`, ...fields }),
  );
  await api.db.store(events);
  return `/audit/objects/${writePathPart(table_name)}/${writePathPart(object_id)}`;
}

async function walk(path: string, query: string): Promise<Step[]> {
  const steps: Step[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { status, text, body } = await api.request(`${path}?${query}&cursor=${cursor}`);
    expect(status, text).toBe(200);
    steps.push(...body.audit_logs);
    cursor = body.next_cursor;
  }
  return steps;
}

/** The state after a step. It is a member of a document, because a patch may create or remove a whole state. */
function applied(state: unknown, { changes }: Step): unknown {
  const document = structuredClone(state === undefined ? {} : { state });
  const moved = (changes ?? []).map((change) => ({ ...change, path: `/state${change.path}` }));
  expect(applyPatch(document, moved as Operation[]).filter((error) => error !== null)).toEqual([]);
  return document.state;
}

const states = [
  { name: 'a', limits: { rpm: 10, tpm: [1, 2, 3] }, 'x/y': 1, 'm~n': null },
  { name: 'a', limits: { rpm: 20, tpm: [1, 3] }, 'x/y': 2, 'm~n': {} },
  { limits: { tpm: [] }, added: [{ deep: { deeper: true } }], '': 'empty' },
  { limits: { tpm: [4, 5] }, added: [{ deep: { deeper: null } }, 7] },
  {},
  { name: 'é"\\' },
];

test.each([
  ['whole states together with the states before', '&partial=false', (n: number) => (n === 0 ? null : states[n - 1])],
  ['whole states alone', '&partial=false', () => null],
])('%s: the changes, one after the other, lead from each state to the next', async (name, query, before) => {
  const path = await record(
    name,
    states.map((state, n) => ({ before_value: before(n), updated_values: state })),
  );
  for (const size of [100, 1, 4]) {
    let state: unknown;
    const steps = await walk(path, `page_size=${size}${query}`);
    for (const [n, step] of steps.entries()) {
      state = applied(state, step);
      expect(state).toEqual(states[n]);
    }
    expect(steps).toHaveLength(states.length);
  }
});

const partial: Partial<WireEvent>[] = [
  { action: 'created', before_value: null, updated_values: { a: 1, b: 2, c: { d: 1, e: 2 } } },
  { action: 'updated', before_value: null, updated_values: { b: 3 } },
  { action: 'blocked', before_value: null, updated_values: {} },
  { action: 'updated', before_value: null, updated_values: { a: 1, b: 3, c: { d: 1 } } },
  { action: 'updated', before_value: { a: 1, b: 3, c: { d: 1 } }, updated_values: { b: 4 } },
  { action: 'updated', before_value: null, updated_values: null },
  { action: 'updated', before_value: null, updated_values: { a: 1, b: 4, c: { d: 1 }, f: 5 } },
  { action: 'deleted', before_value: null, updated_values: null },
  { action: 'created', before_value: null, updated_values: { a: 2 } },
];
const changesOfPartial = [
  [{ op: 'add', path: '', value: { a: 1, b: 2, c: { d: 1, e: 2 } } }],
  [{ op: 'replace', path: '/b', value: 3 }],
  [],
  [{ op: 'remove', path: '/c/e' }],
  [{ op: 'replace', path: '/b', value: 4 }],
  [],
  [{ op: 'add', path: '/f', value: 5 }],
  [{ op: 'remove', path: '' }],
  [{ op: 'add', path: '', value: { a: 2 } }],
];

test.each([100, 1, 2, 3, 4, 5])(
  'updates that name some members do not remove other members, in pages of %i',
  async (size) => {
    const path = await record(`partial in ${size}`, partial);
    const steps = await walk(path, `page_size=${size}`);
    expect(steps.map(({ changes }) => changes)).toEqual(changesOfPartial);
  },
);

test('a deletion removes every member, even with partial=true', async () => {
  const path = await record('deleted', [
    { action: 'created', before_value: null, updated_values: { a: 1 } },
    { action: 'deleted', before_value: { a: 1 }, updated_values: { a: 1 } },
  ]);
  for (const query of ['', 'partial=true', 'partial=false'])
    expect((await walk(path, query))[1]?.changes).toEqual([{ op: 'remove', path: '' }]);
});

test('with partial=false an update removes the members that it leaves out', async () => {
  const path = await record('whole', partial.slice(0, 2));
  expect((await walk(path, 'partial=false'))[1]?.changes).toEqual([
    { op: 'remove', path: '/a' },
    { op: 'replace', path: '/b', value: 3 },
    { op: 'remove', path: '/c' },
  ]);
});

test('pages of every size hold the same steps, ties in time included', async () => {
  const path = await record(
    'ties',
    Array.from({ length: 23 }, (_, n) => ({
      updated_at: `2026-07-03T11:0${Math.floor(n / 8)}:00Z`,
      before_value: null,
      updated_values: { [`member-${n % 5}`]: n },
    })),
  );
  const all = await walk(path, 'page_size=100');
  expect(all).toHaveLength(23);
  for (const size of [1, 2, 7, 22, 23]) expect(await walk(path, `page_size=${size}`)).toEqual(all);
});

test.each([
  ['letters', 'x'],
  ['letters of two bytes', 'ü'],
])(
  'a page of a history of long values of %s ends at 8 MiB with its changes, and all pages together have every step once',
  async (name, letter) => {
    const long = (n: number) => `${letter.repeat(90_000)}${n}`;
    const path = await record(
      `8 MiB of ${name}`,
      Array.from({ length: 45 }, (_, n) => ({ before_value: long(n), updated_values: long(n + 1) })),
    );
    const mostBytes = 8 * 1024 * 1024;
    const sizes: number[] = [];
    const ids: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { status, text, body } = await api.request(`${path}?page_size=100&cursor=${cursor}`);
      expect(status).toBe(200);
      for (const { changes, updated_values } of body.audit_logs)
        expect(changes).toEqual([{ op: 'replace', path: '', value: updated_values }]);
      sizes.push(Buffer.byteLength(text));
      ids.push(...body.audit_logs.map(({ id }: WireEvent) => id));
      cursor = body.next_cursor;
    }
    expect(ids).toHaveLength(45);
    expect(new Set(ids).size).toBe(45);
    // What stands around the steps is short.
    expect(Math.max(...sizes)).toBeLessThan(mostBytes + 1_000);
    expect(sizes.slice(0, -1).filter((size) => size > 0.9 * mostBytes).length).toBeGreaterThan(0);
  },
);

test.each([
  ['keys', 'a/b'],
  ['keys', '100%'],
  ['keys', '%2F'],
  ['a/b', 'ünï 💥?#&+=;'],
  ['%', '/'],
])('the history of %s %s is found by its path, and holds nothing else', async (table, object) => {
  const path = await record(object, [{ before_value: null, updated_values: { n: 1 } }], table);
  const { body } = await api.request(path);
  expect(body).toMatchObject({
    table_name: table,
    object_id: object,
    audit_logs: [{ table_name: table, object_id: object }],
  });
  expect(
    (await api.request(`/audit?table_name=${encodeURIComponent(table)}&object_id=${encodeURIComponent(object)}`)).body
      .total,
  ).toBe(1);
});

test('dates limit the history, and an unknown object has an empty history', async () => {
  const path = await record(
    'dated',
    states.map((state) => ({ before_value: null, updated_values: state })),
  );
  const steps = await walk(path, 'start_date=2026-07-03T11:01:00Z&end_date=2026-07-03T11:02:00Z');
  expect(steps.map(({ updated_values }) => updated_values)).toEqual(states.slice(1, 3));
  expect((await api.request('/audit/objects/teams/nobody')).body).toEqual({
    table_name: 'teams',
    object_id: 'nobody',
    audit_logs: [],
    record_begins_at: null,
    next_cursor: null,
  });
});

test.each([
  ['page=1', 'page'],
  ['sort_order=desc', 'sort_order'],
  ['changed_by=ana', 'changed_by'],
  ['updated_values.a=1', 'updated_values'],
  ['partial=yes', 'partial'],
  ['page_size=101', 'page_size'],
  ['cursor=abc', 'cursor'],
])('?%s is a 400 that names it', async (query, path) => {
  const { status, body } = await api.request(`/audit/objects/teams/42?${query}`);
  expect(status).toBe(400);
  expect(body.errors).toMatchObject([{ path }]);
});

test('a cursor of one object is rejected for another object', async () => {
  const [one, other] = await Promise.all(['one', 'other'].map((name) => record(name, [{}, {}])));
  const { next_cursor: cursor } = (await api.request(`${one}?page_size=1`)).body;
  expect(await api.request(`${other}?cursor=${cursor}`)).toMatchObject({
    status: 400,
    body: { errors: [{ path: 'cursor' }] },
  });
});

test('values that are too large for a comparison have changes null', async () => {
  const path = await record('large', [{ before_value: null, updated_values: { text: 'x'.repeat(200_001) } }]);
  expect((await walk(path, '')).map(({ changes }) => changes)).toEqual([null]);
});

test.each([
  ['.', '..'],
  ['~.', '~..'],
  ['~~..', '..'],
  ['a/b', '../c'],
  ['%2E', '%2e%2E'],
  ['~', '...'],
])('the history of an object with the table name %j and the id %j is reached by its URL', async (table, object) => {
  const path = await record(object, [{ changed_by: 'one' }, { changed_by: 'two' }], table);
  const { body } = await api.request(path);
  expect([body.table_name, body.object_id]).toEqual([table, object]);
  expect(body.audit_logs.map(({ changed_by }: WireEvent) => changed_by)).toEqual(['one', 'two']);
});
