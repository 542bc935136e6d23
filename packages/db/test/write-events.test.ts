import { randomUUID } from 'node:crypto';
import { createAuditEvent } from '@auditbox/core/event/create-audit-event.ts';
import { allTenants, oneTenant } from '@auditbox/core/keys/tenant-scope.ts';
import type { RunSteps } from '@auditbox/core/steps.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { identify } from '@auditbox/db/events/event-record.ts';
import { getEvent } from '@auditbox/db/events/get-event.ts';
import { storeEachEvent } from '@auditbox/db/events/store-each.ts';
import { storeAuditEvents, storeAuditLines } from '@auditbox/db/events/store-events.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close(1_000));

const store = (...events: Parameters<typeof createAuditEvent>[0][]) =>
  storeAuditEvents(db, events.map(createAuditEvent));

test('the same event again is the same event', async () => {
  const event = anEvent({ updated_at: '2026-07-03T11:46:50.2Z', updated_values: { a: 1, b: [null, { c: 'ž' }] } });
  const again = {
    ...event,
    updated_at: '2026-07-03T13:46:50.200+02:00',
    updated_values: { b: [null, { c: 'ž' }], a: 1 },
  };
  expect(await store(event)).toMatchObject([{ id: event.id, outcome: 'created' }]);
  expect(await store(again)).toMatchObject([{ id: event.id, outcome: 'existing' }]);
});

test('repeated events with large values are compared in steps, in a batch and alone, while no statement waits', async () => {
  const numbers = Array<number>(20_000).fill(0);
  const events = someEvents(3, { updated_values: { a: numbers, b: 1 } });
  await store(...events);
  const again = events.map((event) => identify(createAuditEvent({ ...event, updated_values: { b: 1, a: numbers } })));
  let steps = 0;
  const run: RunSteps = (given) => {
    // It would hold a connection, and the time would count for its deadline.
    expect(db.statements).toBe(0);
    for (let step = given.next(); ; step = given.next()) {
      if (step.done) return step.value;
      steps += 1;
    }
  };
  const existing = events.map(({ id }) => expect.objectContaining({ id, outcome: 'existing' }));
  expect(await storeAuditLines(db, again, { run })).toEqual(existing);
  // One between events, and at least four in each of the two texts of an event.
  const least = 3 * (1 + 2 * 4);
  expect(steps).toBeGreaterThanOrEqual(least);
  steps = 0;
  expect((await storeEachEvent(db, again, undefined, run)).map(({ stored }) => stored)).toEqual([true, true, true]);
  expect(steps).toBeGreaterThanOrEqual(least);
});

test('an event without a time can be sent again', async () => {
  const event = anEvent();
  const [first] = await store(event);
  const [second] = await store(event);
  expect(second).toEqual({ ...first, outcome: 'existing' });
});

test.each([
  ['changed_by', { changed_by: 'mallory' }],
  ['action', { action: 'deleted' }],
  ['updated_at', { updated_at: '2026-07-03T11:46:51Z' }],
  ['a digit', { updated_values: { max_budget: 25.5 } }],
  ['a null', { before_value: null }],
])('the same id with another %s is a conflict, and stores nothing', async (_what, change) => {
  const event = anEvent({ updated_at: '2026-07-03T11:46:50Z' });
  const fresh = anEvent();
  await store(event);
  await expect(store(fresh, { ...event, ...change })).rejects.toMatchObject({ code: 'AUDIT_CONFLICT', index: 1 });
  expect(await db.sql`select from auditbox.audit_log where id = ${fresh.id}`).toHaveLength(0);
});

test('a batch of old and new events stores the new ones, in the order given', async () => {
  const [a, b, c] = someEvents(3);
  if (!a || !b || !c) throw new Error('three events');
  await store(b);
  expect(await store(a, b, c)).toMatchObject([
    { id: a.id, outcome: 'created' },
    { id: b.id, outcome: 'existing' },
    { id: c.id, outcome: 'created' },
  ]);
});

test('one new event sent twenty times at once is stored once', async () => {
  const event = anEvent();
  const outcomes = (await Promise.all(Array.from({ length: 20 }, () => store(event))))
    .flat()
    .map(({ outcome }) => outcome);
  expect(outcomes.filter((outcome) => outcome === 'created')).toHaveLength(1);
  expect(outcomes.filter((outcome) => outcome === 'existing')).toHaveLength(19);
});

test('an event more than five minutes ahead of the database is refused with its place, and so is its batch', async () => {
  const ahead = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString();
  const fresh = anEvent({ updated_at: ahead(4) });
  await expect(store(fresh, anEvent({ updated_at: ahead(6) }))).rejects.toMatchObject({
    code: 'AUDIT_EVENT_IN_FUTURE',
    index: 1,
  });
  expect(await db.sql`select from auditbox.audit_log where id = ${fresh.id}`).toHaveLength(0);
  expect(await store(fresh)).toMatchObject([{ outcome: 'created' }]);
});

test('times come back with the digits they came with', async () => {
  const times = [
    '2026-07-03T11:46:50Z',
    '2026-07-03T11:46:50.2Z',
    '2026-07-03T11:46:50.269Z',
    '2026-07-03T11:46:50.269000Z',
  ];
  const written = await store(...times.map((updated_at) => anEvent({ updated_at })));
  const stored = await Promise.all(written.map(({ id }) => getEvent(db, id, allTenants)));
  expect(stored.map((event) => JSON.parse(event?.json ?? '').updated_at)).toEqual(times);
});

test.each([
  '12345678901234567890',
  '0.1000000000000000055',
  '1E400',
  '-0.0',
  '"text"',
  '"\\u00e9\\n\\\\"',
  '[]',
  'true',
])('the value %s comes back as it came', async (value) => {
  const event = { ...createAuditEvent(anEvent()), updatedValues: value as never };
  const [written] = await storeAuditEvents(db, [event]);
  const { json } = (await getEvent(db, written?.id ?? '', allTenants)) ?? { json: '' };
  const [, stored] = /"updated_values":(.*),"context"/.exec(json) ?? [];
  expect(stored).toBe(value);
});

test.each([
  ['U+001F, which separates events in a statement', 'a\x1fb'],
  ['every other control character', Array.from({ length: 31 }, (_, n) => String.fromCharCode(n + 1)).join('')],
  ['quotes, backslashes and braces', '"\\\'{},NULL'],
])('names that hold %s come back as they came, with other events in the statement', async (_what, name) => {
  const odd = anEvent({ object_id: name, updated_values: { [name]: name } });
  const [plain, another] = someEvents(2);
  if (!plain || !another) throw new Error('two events');
  await store(plain, odd, another);
  const stored = await Promise.all([odd, plain].map(({ id }) => getEvent(db, id, allTenants)));
  expect(stored.map((event) => JSON.parse(event?.json ?? ''))).toMatchObject([
    { object_id: name, updated_values: { [name]: name } },
    { changed_by_api_key: '', object_id: plain.object_id },
  ]);
});

test('a single event keeps an empty text and missing values', async () => {
  const event = anEvent({ before_value: null, updated_values: undefined });
  await store(event);
  const stored = JSON.parse((await getEvent(db, event.id, allTenants))?.json ?? '');
  expect(stored).toMatchObject({ changed_by_api_key: '', before_value: null, updated_values: null, context: null });
});

const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

test.each([
  [traceparent, traceparent],
  [undefined, null],
  ['', null],
  [`${traceparent}-more`, null],
  [traceparent.toUpperCase(), null],
  [traceparent.replace('00f067aa0ba902b7', '0'.repeat(16)), null],
  [`\x1f${traceparent}`, null],
])('where an event is traced is kept if it is a traceparent, and never refuses the event: %j', async (given, kept) => {
  const [event, neighbour] = someEvents(2).map(createAuditEvent);
  if (!event || !neighbour) throw new Error('two events');
  await storeAuditEvents(db, [neighbour, { ...event, traceparent: given }]);
  const [again] = await storeAuditEvents(db, [{ ...event, traceparent: traceparent.replace('4b', '5b') }]);
  expect(again?.outcome).toBe('existing');
  const rows =
    await db.sql`select id::text, traceparent from auditbox.audit_log where id in (${event.id}, ${neighbour.id})`;
  expect(rows).toHaveLength(2);
  expect(rows).toContainEqual({ id: event.id, traceparent: kept });
  expect(rows).toContainEqual({ id: neighbour.id, traceparent: null });
});

test('an id of another tenant and an id of nobody cost the same statements', async () => {
  const [written] = await store(anEvent());
  const count = async (id: string | undefined) => {
    let statements = 0;
    const counted: Database = {
      ...db,
      query(send) {
        statements += 1;
        return db.query(send);
      },
    };
    expect(await getEvent(counted, id ?? '', oneTenant('another'))).toBeNull();
    return statements;
  };
  expect(await count(written?.id)).toBe(2);
  expect(await count(randomUUID())).toBe(2);
});
