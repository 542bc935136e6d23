import { gzipSync } from 'node:zlib';
import { conformanceTests } from '@auditbox/destination-kit/conformance.ts';
import type { Row } from '@auditbox/destination-kit/destination.ts';
import { createDatadogDouble } from '@auditbox/testing/stubs/datadog-double.ts';
import { createElasticDouble, type ElasticDouble, type ItemError } from '@auditbox/testing/stubs/elastic-double.ts';
import { type HttpReceiver, startHttpReceiver } from '@auditbox/testing/stubs/http-receiver.ts';
import { createOtlpDouble } from '@auditbox/testing/stubs/otlp-double.ts';
import type { ReceiverDouble } from '@auditbox/testing/stubs/receiver-double.ts';
import { createSentinelDouble } from '@auditbox/testing/stubs/sentinel-double.ts';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { aRow, deliver, openDestination } from './opened-destination.ts';
import { sentinelEntry, sentinelSetup } from './sentinel-setup.ts';

/* Receivers that are not available to a test, as strict as their documentation, and our destinations at their limits. */

let receiver: HttpReceiver;
let isAway = false;
let isSilent = false;
beforeAll(async () => {
  receiver = await startHttpReceiver();
});
afterAll(() => receiver.close());
afterEach(() => {
  isAway = false;
  isSilent = false;
});

/** From now on the double answers. */
function answerBy<Double extends ReceiverDouble<unknown>>(double: Double): Double {
  receiver.answer = (request) => (isSilent ? 'hang' : isAway ? { status: 503 } : double.answer(request));
  return double;
}

const between = (set: (value: boolean) => void) => ({ begin: async () => set(true), end: async () => set(false) });
const outage = between((value) => {
  isAway = value;
});
const silence = between((value) => {
  isSilent = value;
});

/** Each destination with a double, made anew. `idOf` is the id of what the double has stored. */
const receivers = {
  datadog: {
    make: () => createDatadogDouble('k'),
    entry: () => ({ type: 'datadog', apiKey: 'k', tags: ['env:prod'], url: receiver.url }),
    idOf: ({ id }: { readonly id?: unknown }) => id,
  },
  elastic: {
    make: () => createElasticDouble('k'),
    entry: () => ({ type: 'elastic', url: receiver.url, apiKey: 'k', index: 'logs-audit-{month}' }),
    idOf: ({ id }: { readonly id?: unknown }) => id,
  },
  otlp: {
    make: () => createOtlpDouble({ maxBytes: 2_000_000 }),
    entry: () => ({ type: 'otlp', url: receiver.url }),
    idOf: (record: unknown) => /"log\.record\.uid","value":\{"stringValue":"([^"]+)"/.exec(JSON.stringify(record))?.[1],
  },
  sentinel: {
    make: () => createSentinelDouble(sentinelSetup),
    entry: () => sentinelEntry(receiver.url),
    idOf: ({ AuditId }: { readonly AuditId?: unknown }) => AuditId,
  },
} as const;

type Type = keyof typeof receivers;
const types = Object.keys(receivers) as Type[];

/** A double of this type that answers. */
function startDouble(type: Type): ReceiverDouble<object> {
  return answerBy(receivers[type].make() as ReceiverDouble<object>);
}

function storedIds(type: Type, double: ReceiverDouble<object>): string[] {
  return double.stored.map((one) => String((receivers[type].idOf as (stored: object) => unknown)(one)));
}

describe.each(types)('%s', (type) => {
  let double: ReceiverDouble<object>;
  for (const { name, run } of conformanceTests({
    async open() {
      double = startDouble(type);
      return openDestination(receivers[type].entry());
    },
    received: async () => [storedIds(type, double).join()],
    outage,
    silence,
  }))
    test(`${name}, and nothing is refused or lost`, async () => {
      await run();
      expect(double.refusals).toEqual([]);
      expect(double.losses).toEqual([]);
    });

  test('a request with one row more than the limits allow is refused, or the limit is ours', async () => {
    double = startDouble(type);
    const destination = await openDestination(receivers[type].entry());
    const { maxRows } = destination.limits;
    const now = new Date(Date.now() - 1_000).toISOString().replace('Z', '000Z');
    const rows = Array.from({ length: maxRows + 1 }, (_, n) => numbered(n, { occurredAt: now, recordedAt: now }));
    const outcome = await deliver(destination, rows);
    expect(outcome.kind).toBe(type === 'datadog' ? 'too-large' : 'taken');
    await destination.close();
  });
});

function numbered(n: number, fields: Partial<Row> = {}): Row {
  const id = `0197f0e0-0000-7000-8000-${String(n).padStart(12, '0')}`;
  return aRow({ id, line: `{"id":"${id}"}`, ...fields });
}

/** A request that our destination sent, for a double to judge with changes. */
async function sentBy(type: Type) {
  startDouble(type);
  const destination = await openDestination(receivers[type].entry());
  const now = new Date(Date.now() - 1_000).toISOString().replace('Z', '000Z');
  await deliver(destination, [
    numbered(1, { occurredAt: now, recordedAt: now }),
    numbered(2, { occurredAt: now, recordedAt: now }),
  ]);
  await destination.close();
  const sent = receiver.requests.at(-1);
  if (sent === undefined) throw new Error('Nothing was sent.');
  return sent;
}

type Sent = Awaited<ReturnType<typeof sentBy>>;

/** The same request with another body. */
function withBody(sent: Sent, body: string | Buffer, headers: object = {}): Sent {
  const bytes = Buffer.from(body);
  return { ...sent, headers: { ...sent.headers, ...headers }, body: bytes.toString('utf8'), bytes };
}

const change = (from: string | RegExp, to: string) => (sent: Sent) => {
  const body = sent.body.replace(from, to);
  if (body === sent.body) throw new Error(`${from} is not in ${sent.body}.`);
  return withBody(sent, body);
};
const withHeader = (name: string, value: string | undefined) => (sent: Sent) => ({
  ...sent,
  headers: { ...sent.headers, [name]: value },
});
const at = (path: string) => (sent: Sent) => ({ ...sent, path });
const byGet = (sent: Sent) => ({ ...sent, method: 'GET' });
const padded = (bytes: number) => (sent: Sent) => withBody(sent, sent.body.padEnd(bytes));
const zipped = (bytes: number) => (sent: Sent) =>
  withBody(sent, gzipSync(sent.body.padEnd(bytes)), { 'content-encoding': 'gzip' });
const notZipped = withHeader('content-encoding', 'gzip');
const withoutType = withHeader('content-type', undefined);

/** What a double answers to a request with one change. It is one that our destination sent, so nothing else is wrong. */
async function judge(type: Type, changed: (sent: Sent) => Sent) {
  const sent = await sentBy(type);
  const double = receivers[type].make() as ReceiverDouble<object>;
  // The token of the request is one that this double gave out.
  if (type === 'sentinel') double.answer(receiver.requests.find(({ path }) => path.endsWith('/token')) ?? sent);
  const answer = double.answer(changed(sent));
  return { status: typeof answer === 'string' ? answer : answer.status, double };
}

describe('a double refuses what the documented receiver refuses', () => {
  test.each<[Type, string, number, (sent: Sent) => Sent]>([
    ['datadog', 'another path', 404, at('/v1/input')],
    ['datadog', 'no key', 401, withHeader('dd-api-key', undefined)],
    ['datadog', 'another key', 403, withHeader('dd-api-key', 'other')],
    ['datadog', 'no content type', 400, withoutType],
    ['datadog', 'a body that is not compressed as it says', 400, notZipped],
    ['datadog', 'a byte more than 5 MB', 413, padded(5_000_001)],
    ['datadog', 'a byte more than 5 MB before compression', 413, zipped(5_000_001)],
    ['datadog', 'an object', 400, (sent) => withBody(sent, JSON.stringify(JSON.parse(sent.body)[0]))],
    ['datadog', 'an entry without a message', 400, change(/"message":/, '"text":')],
    ['datadog', 'tags in an array', 400, change('"ddtags":"env:prod"', '"ddtags":["env:prod"]')],
    ['elastic', 'no key', 401, withHeader('authorization', undefined)],
    ['elastic', 'another path', 404, at('/audit/_doc')],
    ['elastic', 'no content type', 406, withoutType],
    ['elastic', 'no line break at its end', 400, change(/\n$/, '')],
    ['elastic', 'nothing', 400, (sent) => withBody(sent, '')],
    ['elastic', 'a line break inside of a document', 400, change('"@timestamp":', '\n"@timestamp":')],
    ['elastic', 'an action that it does not know', 400, change('{"create":', '{"store":')],
    ['elastic', 'two actions in a line', 400, change('{"create":', '{"index":{},"create":')],
    ['elastic', 'a member of an action that it does not know', 400, change('"_id":', '"id":')],
    ['elastic', 'no index', 400, change(/"_index":"[^"]*",/, '')],
    ['elastic', 'an id of 513 bytes', 400, change(/"_id":"/, `"_id":"${'x'.repeat(477)}`)],
    ['otlp', 'another path', 404, at('/v1/traces')],
    ['otlp', 'GET', 405, byGet],
    ['otlp', 'no content type', 415, withoutType],
    ['otlp', 'a body that is not compressed as it says', 400, notZipped],
    ['otlp', 'a byte more than its limit', 413, padded(2_000_001)],
    ['otlp', 'half of a body', 400, (sent) => withBody(sent, sent.body.slice(0, 100))],
    ['otlp', 'a time that is a number', 400, change(/"timeUnixNano":"(\d+)"/, '"timeUnixNano":$1')],
    ['otlp', 'a time with a fraction', 400, change(/"timeUnixNano":"\d+"/, '"timeUnixNano":"1.5"')],
    ['otlp', 'a time of more than 64 bits', 400, change(/"timeUnixNano":"/, '"timeUnixNano":"9')],
    ['otlp', 'the name of a severity', 400, change('"severityNumber":9', '"severityNumber":"SEVERITY_NUMBER_INFO"')],
    ['otlp', 'a body that is not a value', 400, change(/"body":\{"stringValue":/, '"body":{"text":')],
    ['otlp', 'a value of two kinds', 400, change('"body":{', '"body":{"boolValue":true,')],
    [
      'otlp',
      'an attribute that is not a value',
      400,
      change(/"key":"audit.action","value":\{[^}]*\}/, '"key":"audit.action","value":"x"'),
    ],
    [
      'otlp',
      'an integer of 64 bits that is a number',
      400,
      change('{"key":"log.record.uid"', '{"key":"n","value":{"intValue":1}},{"key":"log.record.uid"'),
    ],
    ['otlp', 'a key twice', 400, change('"key":"audit.action"', '"key":"log.record.uid"')],
    ['otlp', 'a field that it does not know', 400, change('"severityText"', '"severity_text_"')],
    ['otlp', 'a trace id in base64', 400, change('"eventName"', '"traceId":"S/ktLzd3o3Slc3dNPXYXwA==","eventName"')],
    ['otlp', 'a trace id of 8 bytes', 400, change('"eventName"', '"traceId":"00f067aa0ba902b7","eventName"')],
    ['otlp', 'a trace id of zeros', 400, change('"eventName"', `"traceId":"${'0'.repeat(32)}","eventName"`)],
    ['sentinel', 'another rule', 404, at(`/dataCollectionRules/dcr-x/streams/Custom-Audit?api-version=2023-01-01`)],
    [
      'sentinel',
      'another stream',
      400,
      at(`/dataCollectionRules/${sentinelSetup.rule}/streams/Custom-B?api-version=2023-01-01`),
    ],
    ['sentinel', 'no version of the API', 400, at(`/dataCollectionRules/${sentinelSetup.rule}/streams/Custom-Audit`)],
    ['sentinel', 'another token', 401, withHeader('authorization', 'Bearer other')],
    ['sentinel', 'no content type', 415, withoutType],
    ['sentinel', 'a body that is not compressed as it says', 400, notZipped],
    ['sentinel', 'a byte more than 1 MB', 413, padded(1_000_001)],
    ['sentinel', 'a byte more than 1 MB before compression', 413, zipped(1_000_001)],
    ['sentinel', 'an object', 400, (sent) => withBody(sent, JSON.stringify(JSON.parse(sent.body)[0]))],
    ['sentinel', 'a column with a reserved name', 400, change('"AuditId"', '"id"')],
  ])('%s: %s is %i', async (type, _what, status, changed) => {
    const judged = await judge(type, changed);
    expect(judged.status).toBe(status);
    expect(judged.double.refusals).toHaveLength(1);
    expect(judged.double.stored).toEqual([]);
  });

  test.each<[Type, number, (sent: Sent) => Sent]>([
    ['datadog', 202, padded(5_000_000)],
    ['datadog', 202, zipped(5_000_000)],
    ['otlp', 200, padded(2_000_000)],
    ['otlp', 200, change('"eventName"', '"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","flags":1,"eventName"')],
    ['otlp', 200, change('{"key":"log.record.uid"', '{"key":"n","value":{"intValue":"1"}},{"key":"log.record.uid"')],
    ['sentinel', 204, padded(1_000_000)],
    ['sentinel', 204, zipped(1_000_000)],
    ['elastic', 200, (sent) => withBody(sent, gzipSync(sent.body), { 'content-encoding': 'gzip' })],
  ])('%s takes the largest and the other ways that are documented: %i', async (type, status, changed) => {
    const judged = await judge(type, changed);
    expect(judged.status).toBe(status);
    expect(judged.double.stored).toHaveLength(2);
    expect(judged.double.losses).toEqual([]);
  });

  test.each<[Type, string, RegExp, (sent: Sent) => Sent]>([
    [
      'datadog',
      'an entry of more than 1 MB',
      /is cut/,
      change('"event":', `"text":"${'x'.repeat(1_000_000)}","event":`),
    ],
    [
      'datadog',
      'an entry of more than 18 hours ago',
      /too old/,
      change(/"timestamp":"[^"]+"/, `"timestamp":"${new Date(Date.now() - 64_801_000).toISOString()}"`),
    ],
    ['datadog', 'an entry without a time', /nobody can read/, change('"timestamp":', '"at":')],
    ['sentinel', 'a column that is not declared', /not declared/, change('"Action":', '"Verb":')],
    ['sentinel', 'a text of more than 64 kB', /is cut/, change('"Event":"', `"Event":"${'x'.repeat(64_000)}`)],
    ['sentinel', 'a time in seconds', /not a time/, change(/"OccurredAt":"[^"]+"/, '"OccurredAt":1783079210')],
    ['sentinel', 'a row without its time', /TimeGenerated is missing/, change(/"TimeGenerated":"[^"]+",/, '')],
  ])('%s: %s is taken, and noted as a loss', async (type, _what, said, changed) => {
    const judged = await judge(type, changed);
    expect(judged.double.refusals).toEqual([]);
    expect(judged.double.losses).toEqual([expect.stringMatching(said)]);
  });

  test('elastic: a byte more than its limit is 413, compressed or not', async () => {
    const sent = await sentBy('elastic');
    const double = createElasticDouble('k', { maxBytes: sent.bytes.length - 1 });
    expect(double.answer(sent)).toMatchObject({ status: 413 });
    expect(double.answer(withBody(sent, gzipSync(sent.body), { 'content-encoding': 'gzip' }))).toMatchObject({
      status: 413,
    });
    expect(createElasticDouble('k', { maxBytes: sent.bytes.length }).answer(sent)).toMatchObject({ status: 200 });
  });

  test.each<[string, string, (sent: Sent) => Sent]>([
    ['an index in capitals', 'invalid_index_name_exception', change('"_index":"l', '"_index":"L')],
    ['an action other than create', 'illegal_argument_exception', change('{"create":', '{"index":')],
    ['a document without a time', 'document_parsing_exception', change('"@timestamp":', '"time":')],
    ['a text as the time', 'document_parsing_exception', change(/"@timestamp":"[^"]+"/, '"@timestamp":"today"')],
    ['a document that is not an object', 'document_parsing_exception', change(/\n\{.*\}\n/, '\n[]\n')],
    ['a name twice in an object', 'x_content_parse_exception', change('"id":', '"a":{"b":[{"c":1,"c":2}]},"id":')],
  ])('elastic: %s is an error of its item alone', async (_what, errorType, changed) => {
    const sent = await sentBy('elastic');
    const double = createElasticDouble('k');
    const answer = double.answer(changed(sent));
    const { items } = JSON.parse(typeof answer === 'string' ? '{}' : String(answer.body));
    expect(items).toMatchObject([{ create: { status: 400, error: { type: errorType } } }, { create: { status: 201 } }]);
    expect(double.stored.map(({ id }) => id)).toEqual([numbered(2).id]);
  });

  test.each([
    [{ grant_type: 'password' }, 400],
    [{ client_id: 'other' }, 400],
    [{ scope: 'https://monitor.azure.com' }, 400],
    [{ client_secret: 'other' }, 401],
  ])('sentinel: a token for %j is %i', async (changed, status) => {
    await sentBy('sentinel');
    const asked = receiver.requests.findLast(({ path }) => path.endsWith('/token'));
    if (asked === undefined) throw new Error('No token was asked for.');
    const form = { ...Object.fromEntries(new URLSearchParams(asked.body)), ...changed };
    const double = createSentinelDouble(sentinelSetup);
    expect(double.answer(withBody(asked, new URLSearchParams(form).toString()))).toMatchObject({ status });
    expect(double.tokens).toBe(0);
  });
});

describe('elastic, item by item', () => {
  let double: ElasticDouble;
  const rows = [1, 2, 3, 4, 5].map((n) => numbered(n));
  const idOf = (n: number) => numbered(n).id;
  const open = () => {
    double = answerBy(createElasticDouble('k'));
    return openDestination(receivers.elastic.entry());
  };
  const failing = (errors: Readonly<Record<number, ItemError>>) => {
    double.fail = ({ id }) => errors[Number(id.slice(-12))] ?? null;
  };
  const error = (status: number, type: string, reason = 'r'): ItemError => ({ status, type, reason });

  test('only the items that failed for now are sent again, so that a stream that rolls over has no event twice', async () => {
    const destination = await open();
    failing({ 2: error(429, 'es_rejected_execution_exception'), 4: error(400, 'document_parsing_exception', 'bad') });
    expect(await deliver(destination, rows)).toMatchObject({ kind: 'retry', code: '429' });
    double.rollOver();
    failing({ 2: error(503, 'unavailable_shards_exception') });
    expect(await deliver(destination, rows)).toMatchObject({ kind: 'retry', code: '503' });
    failing({});
    expect(await deliver(destination, rows)).toEqual({
      kind: 'taken-but',
      rejected: [{ index: 3, reason: expect.stringContaining('bad') }],
    });
    expect(double.asked).toEqual([rows.map(({ id }) => id), [idOf(2)], [idOf(2)]]);
    expect(double.stored.map(({ id }) => id).sort()).toEqual([idOf(1), idOf(2), idOf(3), idOf(5)]);
    // The same key once more, as a replay sends it: the whole request.
    failing({});
    expect(await deliver(destination, rows)).toMatchObject({ kind: 'taken' });
    expect(double.asked.at(-1)).toHaveLength(5);
    await destination.close();
  });

  test('an exporter that starts anew sends the whole request again, and the index has each event once', async () => {
    const before = await open();
    failing({ 2: error(429, 'es_rejected_execution_exception') });
    expect(await deliver(before, rows)).toMatchObject({ kind: 'retry', code: '429' });
    await before.close();
    const stored = [...double.stored];
    failing({});
    const after = await openDestination(receivers.elastic.entry());
    expect(await deliver(after, rows)).toEqual({ kind: 'taken' });
    expect(double.asked.at(-1)).toEqual(rows.map(({ id }) => id));
    expect(double.stored).toEqual([...stored, expect.objectContaining({ id: idOf(2) })]);
    expect(stored).toHaveLength(4);
    await after.close();
  });

  test('what is known of a request outlives an answer that says nothing, and a request that is as long ago as 64 others is sent whole', async () => {
    const destination = await open();
    failing({ 1: error(429, 'es_rejected_execution_exception') });
    await deliver(destination, rows, 0);
    isAway = true;
    expect(await deliver(destination, rows, 0)).toMatchObject({ kind: 'retry', code: '503' });
    isAway = false;
    expect(await deliver(destination, rows, 0)).toMatchObject({ kind: 'retry', code: '429' });
    expect(double.asked.at(-1)).toEqual([idOf(1)]);
    for (let first = 1; first <= 64; first += 1) await deliver(destination, rows, first);
    await deliver(destination, rows, 0);
    expect(double.asked.at(-1)).toHaveLength(5);
    await destination.close();
  });

  test.each<[ItemError, string]>([
    [error(403, 'security_exception'), 'blocked'],
    [error(404, 'index_not_found_exception'), 'blocked'],
    [error(403, 'cluster_block_exception'), 'blocked'],
    [error(400, 'index_closed_exception'), 'blocked'],
    [error(400, 'validation_exception', 'this action would add [2] shards'), 'blocked'],
    [
      error(
        400,
        'illegal_argument_exception',
        'Validation Failed: 1: this cluster currently has [2]/[2] maximum shards open;',
      ),
      'blocked',
    ],
    [error(400, 'illegal_argument_exception', 'pipeline with id [x] does not exist'), 'blocked'],
    [error(400, 'illegal_argument_exception', 'no write index is defined for alias [x]'), 'blocked'],
    [error(400, 'illegal_argument_exception', 'Limit of total fields [1000] has been exceeded'), 'taken-but'],
    [error(400, 'document_parsing_exception', 'a text with: maximum shards'), 'taken-but'],
    [error(400, 'strict_dynamic_mapping_exception'), 'taken-but'],
    [error(413, 'too_large'), 'taken-but'],
    [error(429, 'cluster_block_exception'), 'retry'],
    [error(500, 'null_pointer_exception'), 'retry'],
  ])('an item with %j is %s', async (itemError, kind) => {
    const destination = await open();
    failing({ 3: itemError });
    expect((await deliver(destination, rows)).kind).toBe(kind);
    expect(double.stored).toHaveLength(4);
    await destination.close();
  });

  test('an event that goes to the failure store is rejected, because the stream does not have it', async () => {
    const destination = await open();
    failing({ 3: { ...error(400, 'document_parsing_exception'), inFailureStore: true } });
    expect(await deliver(destination, rows)).toEqual({
      kind: 'taken-but',
      rejected: [{ index: 2, reason: expect.stringContaining('failure store') }],
    });
    await destination.close();
  });
});
