import { type ApiFixture, createApiFixture } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createChecks, type Place } from './fuzz/checks.ts';
import { hostileText } from './fuzz/hostile-text.ts';
import { type Parameter, parameters } from './fuzz/parameters.ts';
import { fuzzedEvents, type ListedEvent } from './fuzz/recorded-events.ts';
import { type AnswerWatch, watchAnswers } from './fuzz/watch-answers.ts';
import { createWriteChecks } from './fuzz/write-checks.ts';
import { writtenEvent } from './fuzz/written-events.ts';

/*
 * Every query gets the answer that a model of the filters computes, or a 400 that names the mistake. FUZZ_REQUESTS=100000
 * sends more queries. One in FUZZ_WRITES requests is a write: a valid or nearly valid event, alone or in a batch. What is
 * accepted is read back equal. No answer takes longer than ten seconds, and memory is flat. A failure prints the seed and the query.
 */

const requests = Number(process.env.FUZZ_REQUESTS ?? 2_000);
const oneWriteIn = Number(process.env.FUZZ_WRITES ?? 10);
const atOnce = 25;

let api: ApiFixture;
let checks: ReturnType<typeof createChecks>;
let watch: AnswerWatch;
const statuses = new Map<string, number>();

beforeAll(async () => {
  api = await createApiFixture({ LOG_LEVEL: 'info' });
  await api.db.store(fuzzedEvents);
  const { text } = await api.request('/audit/export');
  const events: ListedEvent[] = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(events).toHaveLength(fuzzedEvents.length);
  watch = watchAnswers(api.app.pid);
  checks = createChecks(api.url, events, statuses, watch);
});
afterAll(async () => {
  await api.close();
  if (process.env.FUZZ_REQUESTS) console.table([...statuses].sort());
  if (process.env.FUZZ_REQUESTS) console.log(watch.slowest());
});

const { filter, dates, july, valuePath, unknown, sort, page, pageSize, format, interval, groupBy, partial } =
  parameters;
const filters = fc.array(filter, { maxLength: 4 });
const strange = fc.oneof({ arbitrary: fc.constant<Parameter[]>([]), weight: 12 }, fc.tuple(unknown));
const optional = (one: fc.Arbitrary<Parameter>) => fc.array(one, { maxLength: 1 });
const sorts = fc.array(sort, { maxLength: 2 });
const query = (...parts: fc.Arbitrary<Parameter[]>[]) => fc.tuple(...parts).map((lists) => lists.flat());

const place: fc.Arbitrary<Place> = fc.record({
  index: fc.nat(2),
  append: fc.boolean(),
  text: fc.oneof(
    fc.constantFrom(
      ...['0000-01-01T00:00:00.000000Z', '0001-01-01T00:00:00.000000Z', '9999-12-31T23:59:59.999999Z'],
      ...[
        '2026-02-30T00:00:00.000000Z',
        '2026-07-03T11:46:50.269000Z',
        'infinity',
        '00000000-0000-0000-0000-000000000000',
      ],
      ...['ffffffff-ffff-ffff-ffff-ffffffffffff', "'", '\ud800', '\0', '', 'a'.repeat(3_000)],
    ),
    fc.string({ unit: 'binary' }),
  ),
});

const segment = fc
  .oneof({ arbitrary: hostileText, weight: 3 }, fc.constantFrom('%2F', '%2E%2E', '..', '.', '%', '%00', 'a%2Fb'))
  .map((text) =>
    // What ends a path is not part of a segment.
    text.replaceAll('+', '%2B'),
  );
const pairs = fc.constantFrom(
  ...fuzzedEvents.map((event) => [event.table_name, event.object_id].map(encodeURIComponent)),
);
const accept = fc.constantFrom(
  '*/*',
  'text/csv',
  'application/x-ndjson',
  'image/png',
  'application/json;q=0.5, */*;q=0.1',
  ',,;',
);

/** Asks `share` times as many as `requests`, many at the same time. */
async function fuzz<T>(share: number, given: fc.Arbitrary<T>, check: (given: T) => Promise<unknown>): Promise<void> {
  const together = fc.array(given, { minLength: atOnce, maxLength: atOnce });
  const printed = (one: T) =>
    check(one).catch((cause) => {
      throw new Error(`Asked for ${fc.stringify(one)}`, { cause });
    });
  const property = fc.asyncProperty(together, async (all) => void (await Promise.all(all.map(printed))));
  const numRuns = Math.ceil((requests * share) / 2 / atOnce);
  await watch.inHalves(async () => void (await fc.assert(property, { numRuns, endOnFailure: true })));
}
const timeout = 300_000 + requests * 20;

test('GET /audit', { timeout }, () =>
  fuzz(0.4, query(filters, strange, optional(page), optional(pageSize), sorts), (given) => checks.checkList(given)),
);

test('places in values', { timeout }, () =>
  fuzz(0.1, query(july, fc.tuple(valuePath), optional(pageSize)), (given) => checks.checkList(given)),
);

test('GET /audit/export', { timeout }, () =>
  fuzz(0.15, fc.tuple(query(filters, strange, optional(format), sorts), accept), (given) => checks.checkExport(given)),
);

test('GET /audit/stats', { timeout }, () =>
  fuzz(
    0.15,
    query(filters, fc.array(dates, { maxLength: 2 }), strange, optional(interval), optional(groupBy)),
    (given) => checks.checkStats(given),
  ),
);

test('GET /audit/objects', { timeout }, () =>
  fuzz(
    0.1,
    fc
      .tuple(
        fc.oneof(pairs, fc.tuple(segment, segment)),
        query(optional(dates), strange, optional(pageSize), optional(partial)),
      )
      .map(([[table, object], given]) => [table, object, given] as const),
    (given) => checks.checkHistory(given),
  ),
);

test('GET /audit/:id', { timeout }, () =>
  fuzz(0.05, fc.oneof(segment, fc.uuid(), fc.constantFrom(...fuzzedEvents.map(({ id }) => id))), (given) =>
    checks.checkEvent(given),
  ),
);

test('cursors', { timeout }, () =>
  fuzz(
    0.05,
    fc.tuple(
      query(
        optional(filter),
        sorts,
        pageSize.map((size) => [size]),
      ),
      place,
      query(optional(filter), sorts),
    ),
    (given) => checks.checkCursor(given),
  ),
);

// After the queries, because their model does not know these events.
test('POST /audit and POST /audit/batch', { timeout }, async () => {
  // A request may make two months.
  for (let days = 0; days < 330; days += 25)
    await api.request('/audit', {
      body: anEvent({ updated_at: new Date(Date.now() - days * 86_400_000).toISOString() }),
    });
  const writes = createWriteChecks(api, statuses, watch);
  const several = fc.tuple(fc.array(writtenEvent, { minLength: 1, maxLength: 4 }), fc.boolean());
  await fuzz(0.7 / oneWriteIn, writtenEvent, (event) => writes.checkEvent(event));
  await fuzz(0.3 / oneWriteIn, several, ([events, isPartial]) => writes.checkBatch(events, isPartial));
  expect(await writes.checkExport()).toBeGreaterThan(requests / oneWriteIn / 3);
});

test('most queries get an answer', () => {
  const answered = [...statuses].filter(([kind]) => kind.endsWith(' 200')).reduce((sum, [, count]) => sum + count, 0);
  expect(answered).toBeGreaterThan(requests / 4);
});

test('the memory of the api is flat', () => {
  watch.expectFlatMemory();
});
