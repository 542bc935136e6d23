import { writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Destination } from '@auditbox/destination-kit/destination.ts';
import { type HttpReceiver, startHttpReceiver } from '@auditbox/testing/stubs/http-receiver.ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { aRow, deliver, openDestination } from './opened-destination.ts';

/* Each built-in destination against a double that refuses what the documented receiver refuses. */

let receiver: HttpReceiver;
const opened: Destination[] = [];
const { signal } = new AbortController();

beforeEach(async () => {
  receiver = await startHttpReceiver();
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((destination) => destination.close()));
  await receiver.close();
});

async function open(entry: object, file = ''): Promise<Destination> {
  const destination = await openDestination(entry, file);
  opened.push(destination);
  return destination;
}

const lastBody = () => receiver.requests.at(-1)?.body ?? '';

describe('splunk-hec', () => {
  const json = (status: number, body: object) => ({ status, body: JSON.stringify(body) });
  const hec = (more: object = {}) =>
    open({ type: 'splunk-hec', url: receiver.url, token: 't0k', index: 'audit', ...more });
  /** As the documented collector: it needs the token, objects one after another, and an event in each. */
  function answerStrictly() {
    receiver.answer = ({ headers, body }) => {
      if (headers.authorization !== 'Splunk t0k') return json(403, { text: 'Invalid token', code: 4 });
      if (body === '') return json(400, { text: 'No data', code: 5 });
      for (const [index, line] of body.trimEnd().split('\n').entries())
        if (!JSON.parse(line).event)
          return json(400, { text: 'Event field is required', code: 12, 'invalid-event-number': index });
      return json(200, { text: 'Success', code: 0 });
    };
  }

  test('sends event time as seconds with six decimals, the id as a field, and every digit', async () => {
    answerStrictly();
    const destination = await hec();
    expect(await deliver(destination, [aRow(), aRow()])).toEqual({ kind: 'taken' });
    expect(lastBody().split('\n')[0]).toContain('"time":1783079210.123456,');
    expect(lastBody()).toContain('12345678901234567890');
    expect(JSON.parse(lastBody().split('\n')[0] ?? '')).toMatchObject({ index: 'audit', fields: { id: aRow().id } });
    expect(await destination.check(signal)).toEqual([]);
  });

  test('an event that the collector names is refused alone', async () => {
    answerStrictly();
    expect(await deliver(await hec(), [aRow(), aRow({ line: 'null' })])).toMatchObject({
      kind: 'refused',
      rejected: [{ index: 1 }],
    });
  });

  test.each([
    [json(503, { text: 'Server is busy', code: 9 }), 'retry'],
    [json(403, { text: 'Invalid token', code: 4 }), 'blocked'],
    [json(400, { text: 'Incorrect index', code: 7 }), 'blocked'],
    [{ status: 200, body: '<html>login</html>' }, 'retry'],
    // No collector answers these. A portal or a proxy does.
    [{ status: 204 }, 'retry'],
    [{ status: 202, body: '{}' }, 'retry'],
    [{ status: 413 }, 'too-large'],
    // Not every collector names the event, or names one that was sent.
    [json(400, { text: 'Invalid data format', code: 6 }), 'refused'],
    [json(400, { text: 'Invalid data format', code: 6, 'invalid-event-number': 7 }), 'refused'],
    [json(400, { text: 'Invalid data format', code: 6, 'invalid-event-number': -1 }), 'refused'],
    [json(200, [] as object), 'retry'],
  ])('%j is %s', async (answer, kind) => {
    receiver.answer = () => answer;
    expect((await deliver(await hec())).kind).toBe(kind);
  });

  test('with acknowledgement an event counts once it is indexed, on one channel', async () => {
    let polls = 0;
    receiver.answer = ({ path, headers, body }) => {
      if (headers['x-splunk-request-channel'] === undefined)
        return json(400, { text: 'Data channel is missing', code: 10 });
      if (!path.startsWith('/services/collector/ack')) return json(200, { text: 'Success', code: 0, ackId: 7 });
      polls += 1;
      expect(JSON.parse(body)).toEqual({ acks: [7] });
      return json(200, { acks: { 7: polls === 2 } });
    };
    expect(await deliver(await hec({ ack: true, ackPollMs: 10 }))).toEqual({ kind: 'taken' });
    expect(polls).toBe(2);
  });

  test('a token without acknowledgement blocks a destination that asks for it', async () => {
    answerStrictly();
    expect(await deliver(await hec({ ack: true }))).toMatchObject({ kind: 'blocked', code: 'NoAck' });
  });
});

/* LogScale's endpoint for HEC, by its documentation: whitespace between JSON objects of these members, with `Bearer`. */
describe('splunk-hec, to LogScale', () => {
  const path = '/api/v1/ingest/hec';
  const logScale = (more: object = {}) =>
    open({ type: 'splunk-hec', url: `${receiver.url}${path}`, token: 't0k', index: 'audit', ...more });
  const members = ['time', 'timezone', 'index', 'sourcetype', 'source', 'host', 'event', 'fields'];

  /** Why the documented endpoint would not take an event as it is meant, or null. */
  function findFault(text: string): string | null {
    const event = JSON.parse(text);
    const unknown = Object.keys(event).find((name) => !members.includes(name));
    if (unknown !== undefined) return `${unknown} is not a member`;
    // An integer and a decimal are seconds. LogScale has no time in milliseconds here.
    if (typeof event.time !== 'number' || event.time > 1e10) return 'time is not seconds';
    if (event.index !== undefined && event.index !== 'audit') return 'index is not the repository of the token';
    if (event.sourcetype !== undefined && event.sourcetype !== 'json') return 'there is no such parser';
    if (typeof event.event !== 'object' || event.event === null) return 'event is not an object';
    return typeof event.fields === 'object' ? null : 'fields is not an object';
  }

  function answerAsDocumented(success: string): void {
    receiver.answer = ({ path: called, headers, body }) => {
      if (called !== path) return { status: 404 };
      if (headers.authorization !== 'Bearer t0k') return { status: 401, body: 'The supplied token is invalid' };
      if (headers['x-splunk-request-channel'] !== undefined) return { status: 400, body: 'There are no channels' };
      const faults = body.split('\n').flatMap((text) => (text === '' ? [] : (findFault(text) ?? [])));
      return faults.length > 0 ? { status: 400, body: faults.join() } : { status: 200, body: success };
    };
  }

  test.each(['{"text":"Success","code":0}', '{}', ''])(
    'its endpoint takes events, with the answer %j to success',
    async (success) => {
      answerAsDocumented(success);
      for (const more of [{}, { sourcetype: 'json', host: 'h' }]) {
        const destination = await logScale(more);
        expect(await deliver(destination, [aRow(), aRow()])).toEqual({ kind: 'taken' });
        expect(await destination.check(signal)).toEqual([]);
        expect(destination.limits.maxRows).toBe(5_000);
      }
    },
  );

  test.each([
    [{ token: 'other' }, { kind: 'blocked', code: '401' }],
    [{ index: 'other' }, { kind: 'blocked', code: '400', reason: expect.stringContaining('index') }],
  ])('with %j it refuses, with its sentence', async (wrong, outcome) => {
    answerAsDocumented('{}');
    expect(await deliver(await logScale(wrong))).toMatchObject(outcome);
  });

  test('a check says that the token or the path is wrong, or that there is a login page', async () => {
    answerAsDocumented('{}');
    const wrong = [await logScale({ token: 'other' }), await logScale({ url: `${receiver.url}/humio${path}` })];
    for (const destination of wrong) expect(await destination.check(signal)).toMatchObject([{ stopsDelivery: true }]);
    const destination = await logScale();
    for (const body of ['<html>login</html>', '{"code":9}']) {
      receiver.answer = () => ({ status: 200, body });
      expect(await destination.check(signal)).toMatchObject([{ stopsDelivery: true }]);
      expect(await deliver(destination)).toMatchObject({ kind: 'retry' });
    }
  });

  test('a backlog of LogScale is waited for, and an acknowledgement is refused at the start', async () => {
    receiver.answer = () => ({ status: 503 });
    expect(await deliver(await logScale())).toMatchObject({ kind: 'retry', code: '503' });
    await expect(logScale({ ack: true })).rejects.toThrow('LogScale has no indexer acknowledgement.');
  });
});

describe('otlp', () => {
  const otlp = () => open({ type: 'otlp', url: receiver.url });

  test('sends times as decimal text, the id as log.record.uid, and the event as the body', async () => {
    expect(await deliver(await otlp())).toEqual({ kind: 'taken' });
    expect(receiver.requests[0]?.path).toBe('/v1/logs');
    const [record] = JSON.parse(lastBody()).resourceLogs[0].scopeLogs[0].logRecords;
    expect(record).toMatchObject({
      timeUnixNano: '1783079210123456000',
      severityNumber: 9,
      eventName: 'auditbox.audit',
    });
    expect(record.body.stringValue).toBe(aRow().line);
    expect(record.attributes).toContainEqual({ key: 'log.record.uid', value: { stringValue: aRow().id } });
  });

  test.each([
    [{ status: 429 }, 'retry'],
    [{ status: 503 }, 'retry'],
    [{ status: 500 }, 'blocked'],
    [{ status: 400 }, 'refused'],
    [{ status: 200, body: '{"partialSuccess":{"rejectedLogRecords":"0"}}' }, 'taken'],
    [{ status: 200, body: '{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"no"}}' }, 'taken-but'],
    [{ status: 200, body: '{"partial_success":{"rejected_log_records":1,"error_message":{}}}' }, 'taken-but'],
    [{ status: 200, body: '{"partialSuccess":null}' }, 'taken'],
    [{ status: 200, body: '{"partialSuccess":{"rejectedLogRecords":"many"}}' }, 'taken'],
    [{ status: 204, body: '' }, 'taken'],
    [{ status: 200, body: '<html>log in</html>' }, 'retry'],
  ])('%j is %s', async (answer, kind) => {
    receiver.answer = () => answer;
    expect((await deliver(await otlp())).kind).toBe(kind);
  });
});

test.each([
  [{ status: 200, body: '{}' }, true],
  [{ status: 400, body: '{"message":"empty"}' }, true],
  [{ status: 401 }, false],
  [{ status: 404 }, false],
  [{ status: 503 }, false],
  [{ status: 200, body: '<html>log in</html>' }, false],
])('otlp: the check sends no record, and %j is an answer of a receiver that works: %j', async (answer, works) => {
  receiver.answer = () => answer;
  const destination = await open({ type: 'otlp', url: receiver.url });
  const findings = await destination.check(signal);
  expect(findings.every(({ stopsDelivery }) => !stopsDelivery)).toBe(works);
  expect(JSON.parse(lastBody())).toEqual({ resourceLogs: [] });
});

describe('elastic', () => {
  const elastic = () => open({ type: 'elastic', url: receiver.url, index: 'auditbox-{month}', apiKey: 'k' });
  const items = (...statuses: number[]) => ({
    status: 200,
    body: JSON.stringify({
      errors: true,
      items: statuses.map((status) => ({ create: { status, error: { type: 'e' } } })),
    }),
  });

  test('creates each event with its id, in the index of its month, with a time', async () => {
    receiver.answer = () => items(201);
    expect(await deliver(await elastic())).toEqual({ kind: 'taken' });
    const [action, document, end] = lastBody().split('\n');
    expect(JSON.parse(action ?? '')).toEqual({ create: { _index: 'auditbox-2026.07', _id: aRow().id } });
    expect(document).toBe(`{"@timestamp":"2026-07-03T11:46:50.123456Z",${aRow().line.slice(1)}`);
    expect(end).toBe('');
    expect(receiver.requests[0]?.headers.authorization).toBe('ApiKey k');
  });

  test.each([
    [items(201, 409), { kind: 'taken' }],
    [items(201, 400), { kind: 'taken-but', rejected: [{ index: 1, reason: expect.stringContaining('400') }] }],
    [items(400, 429), { kind: 'retry' }],
    // A key that may not write, and an index that is not there, are no event's fault.
    [items(201, 403), { kind: 'blocked', code: '403' }],
    [items(404, 404), { kind: 'blocked', code: '404' }],
    [
      { status: 200, body: '{"items":[{"create":{"status":"403"}},null]}' },
      { kind: 'retry', code: '0' },
    ],
    [items(201), { kind: 'retry', code: 'NoItems' }],
    [
      { status: 200, body: 'ok' },
      { kind: 'retry', code: 'NoItems' },
    ],
    [{ status: 401 }, { kind: 'blocked' }],
  ])('%j is %j', async (answer, outcome) => {
    receiver.answer = () => answer;
    const other = aRow({ id: aRow().id.replace(/1$/, '2') });
    expect(await deliver(await elastic(), [aRow(), other])).toMatchObject(outcome);
  });
});

describe('elastic, asked for many events at once', () => {
  const rows = Array.from({ length: 5_000 }, () => aRow());
  const elastic = () => open({ type: 'elastic', url: receiver.url, index: 'logs-auditbox' });
  /** As Elasticsearch answers: for each event all that it knows, unless the request names the fields that it wants. */
  const answerAtLength = (status: number, error?: object) => {
    receiver.answer = ({ path, body }) => {
      const wanted = new URL(path, receiver.url).searchParams.get('filter_path')?.split(',') ?? [];
      const about = { _index: '.ds-logs-auditbox-2026.07.03-000001', _id: aRow().id, _version: 1, result: 'created' };
      const item = {
        ...about,
        _shards: { total: 2, successful: 1, failed: 0 },
        _seq_no: 0,
        _primary_term: 1,
        status,
        error,
      };
      const kept = wanted.length === 0 ? item : { status, ...(wanted.includes('items.*.error') && { error }) };
      const items = Array(body.trimEnd().split('\n').length / 2).fill({ create: kept });
      return { status: 200, body: JSON.stringify({ ...(wanted.length === 0 && { took: 7, errors: true }), items }) };
    };
  };

  test('reads the whole answer, which is longer than 1 MiB unless it asks for less', async () => {
    answerAtLength(201);
    expect(await deliver(await elastic(), rows)).toEqual({ kind: 'taken' });
  });

  test('asks again in halves when the errors of all events are too long to be read', async () => {
    answerAtLength(400, { type: 'document_parsing_exception', reason: 'x'.repeat(300) });
    const destination = await elastic();
    expect(await deliver(destination, rows)).toEqual({ kind: 'too-large' });
    expect(await deliver(destination, rows.slice(0, 1_000))).toMatchObject({ kind: 'taken-but' });
  });
});

describe('datadog', () => {
  const datadog = () => open({ type: 'datadog', apiKey: 'k', url: receiver.url, tags: ['env:prod'] });

  test('sends the id at the top, event time as the time stamp, and accepts no event that Datadog would cut or drop', async () => {
    receiver.answer = () => ({ status: 202, body: '{}' });
    const destination = await datadog();
    expect(await deliver(destination)).toEqual({ kind: 'taken' });
    expect(JSON.parse(lastBody())).toMatchObject([
      { id: aRow().id, timestamp: '2026-07-03T11:46:50.123456Z', ddsource: 'auditbox', ddtags: 'env:prod' },
    ]);
    expect(lastBody()).toContain('12345678901234567890');
    expect(destination.limits).toMatchObject({ maxRows: 1_000, maxRowBytes: 1_000_000 });
    expect(destination.limits.maxAgeMs).toBeLessThan(18 * 3_600_000);
  });

  test.each([
    [403, 'blocked'],
    [408, 'retry'],
    [429, 'retry'],
    [400, 'refused'],
    [413, 'too-large'],
  ])('%i is %s', async (status, kind) => {
    receiver.answer = () => ({ status });
    expect((await deliver(await datadog())).kind).toBe(kind);
  });

  test('a login page that answers 200 has taken nothing', async () => {
    receiver.answer = () => ({ status: 200, body: '<html>log in</html>' });
    expect(await deliver(await datadog())).toMatchObject({ kind: 'retry', code: 'NoIntake' });
  });
});

describe('module', () => {
  test('a TypeScript file next to the configuration is a destination', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'auditbox-module-'));
    writeFileSync(
      join(folder, 'mine.ts'),
      `export default (options: { reason: string }) => ({
        limits: { maxRows: 1, maxBytes: 1000, maxRowBytes: 1000 },
        deliver: async () => ({ kind: 'retry', code: 'Mine', reason: options.reason }),
        check: async () => [],
        close: async () => {},
      });`,
    );
    const destination = await open(
      { module: './mine.ts', options: { reason: 'later' } },
      join(folder, 'destinations.json'),
    );
    expect(await deliver(destination)).toEqual({ kind: 'retry', code: 'Mine', reason: 'later' });
  });

  const text = (reason: string) => `(options) => ({
    limits: { maxRows: 1, maxBytes: 1000, maxRowBytes: 1000 },
    deliver: async () => ({ kind: 'retry', code: 'Mine', reason: ${reason} }),
    check: async () => [],
    close: async () => {},
  })`;

  /** Files of a package, which the configuration in the returned file can name. */
  async function installed(name: string, about: object, files: Readonly<Record<string, string>>): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'auditbox-module-'));
    const at = join(folder, 'node_modules', name);
    for (const [file, content] of Object.entries({ 'package.json': JSON.stringify({ name, ...about }), ...files })) {
      await mkdir(dirname(join(at, file)), { recursive: true });
      writeFileSync(join(at, file), content);
    }
    return join(folder, 'destinations.json');
  }

  const esm = { 'index.js': `export default ${text("'esm'")};` };
  const cjs = { 'index.cjs': `module.exports = ${text("'cjs'")};` };
  const compiled = { 'index.cjs': `exports.__esModule = true; exports.default = ${text("'compiled'")};` };
  test.each([
    ['a main', 'sink', { type: 'module', main: 'index.js' }, esm, 'sink', 'esm'],
    ['a scope', '@acme/sink', { type: 'module', exports: './index.js' }, esm, '@acme/sink', 'esm'],
    // Most packages of today have no entry for `require`.
    ['an entry for import alone', 'sink', { type: 'module', exports: { import: './index.js' } }, esm, 'sink', 'esm'],
    [
      'an entry for each',
      'sink',
      { type: 'module', exports: { require: './index.cjs', import: './index.js' } },
      { ...esm, ...cjs },
      'sink',
      'esm',
    ],
    ['a path in it', 'sink', { type: 'module', exports: { './audit': './index.js' } }, esm, 'sink/audit', 'esm'],
    ['CommonJS', 'sink', { exports: './index.cjs' }, cjs, 'sink', 'cjs'],
    ['compiled CommonJS', 'sink', { exports: './index.cjs' }, compiled, 'sink', 'compiled'],
  ])('a package with %s is found from the file that names it', async (_what, name, about, files, module, reason) => {
    const destination = await open({ module }, await installed(name, about, files));
    expect(await deliver(destination)).toMatchObject({ reason });
  });

  test('a package in TypeScript that is linked runs as it is, with the options', async () => {
    const file = await installed('other', {}, {});
    const source = await mkdtemp(join(tmpdir(), 'auditbox-module-'));
    writeFileSync(join(source, 'package.json'), '{"name":"sink","type":"module","exports":"./sink.ts"}');
    writeFileSync(
      join(source, 'sink.ts'),
      `type Options = { reason: string };
      export default ${text('options.reason').replace('(options)', '(options: Options)')};`,
    );
    await symlink(source, join(dirname(file), 'node_modules', 'sink'));
    const destination = await open({ module: 'sink', options: { reason: 'linked' } }, file);
    expect(await deliver(destination)).toMatchObject({ reason: 'linked' });
  });

  test('a package that is missing or has no function is named', async () => {
    const file = await installed('sink', { exports: './index.mjs' }, { 'index.mjs': 'export default {};' });
    await expect(open({ module: 'sink' }, file)).rejects.toThrow(/sink is not a function/);
    await expect(open({ module: 'snik' }, file)).rejects.toThrow(/snik/);
  });

  test('one that is missing, or has no function, is named', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'auditbox-module-'));
    writeFileSync(join(folder, 'wrong.mjs'), 'export default 1;');
    const file = join(folder, 'destinations.json');
    await expect(open({ module: './gone.ts' }, file)).rejects.toThrow(/gone\.ts/);
    await expect(open({ module: './wrong.mjs' }, file)).rejects.toThrow(/not a function/);
  });
});

describe('sentinel', () => {
  const rule = `dcr-${'0123456789abcdef'.repeat(2)}`;
  let tokens = 0;
  /** As documented: tokens are given out for a secret, and one call takes at most 1 MB. `answers` come first. */
  const sentinel = (...answers: { status: number; body?: string }[]) => {
    tokens = 0;
    receiver.answer = ({ path, headers, body }) => {
      if (path === '/t1/oauth2/v2.0/token') {
        const form = new URLSearchParams(body);
        if (form.get('client_secret') !== 's3cret' || form.get('grant_type') !== 'client_credentials')
          return { status: 401, body: '{"error":"invalid_client"}' };
        tokens += 1;
        return { status: 200, body: JSON.stringify({ access_token: `token-${tokens}`, expires_in: 3600 }) };
      }
      if (headers.authorization !== `Bearer token-${tokens}`) return { status: 401 };
      return answers.shift() ?? { status: 204 };
    };
    const url = receiver.url;
    const login = { authority: url, tenantId: 't1', clientId: 'c1', clientSecret: 's3cret' };
    return open({ type: 'sentinel', url, rule, stream: 'Custom-Audit', ...login });
  };
  const calls = () => receiver.requests.filter(({ path }) => path.startsWith('/dataCollectionRules/'));

  test('sends event time as TimeGenerated, the id under a name that is not reserved, and asks for one token', async () => {
    const destination = await sentinel();
    expect(await destination.check(signal)).toEqual([]);
    for (let n = 0; n < 3; n += 1) expect(await deliver(destination)).toEqual({ kind: 'taken' });
    expect(tokens).toBe(1);
    expect(calls()[0]?.path).toBe(`/dataCollectionRules/${rule}/streams/Custom-Audit?api-version=2023-01-01`);
    const [record] = JSON.parse(lastBody());
    expect(record).toMatchObject({
      TimeGenerated: '2026-07-03T11:46:50.123456Z',
      AuditId: aRow().id,
      ObjectId: 'k "1"',
    });
    expect(record.Event).toBe(aRow().line);
    // Azure cuts longer texts and answers with success.
    expect(destination.limits.maxRowBytes).toBeLessThanOrEqual(65_536);
    expect(destination.limits.maxBytes).toBeLessThanOrEqual(1_048_576);
  });

  test('a token that is not accepted any more is renewed once', async () => {
    const destination = await sentinel({ status: 204 }, { status: 401 });
    await deliver(destination);
    expect(await deliver(destination)).toEqual({ kind: 'taken' });
    expect(tokens).toBe(2);
    const refused = await sentinel({ status: 401 }, { status: 401 });
    expect(await deliver(refused)).toMatchObject({ kind: 'blocked', code: '401' });
  });

  test.each([
    [{ status: 200 }, 'retry'],
    [{ status: 429 }, 'retry'],
    [{ status: 403 }, 'blocked'],
    [{ status: 404 }, 'blocked'],
    [{ status: 400 }, 'refused'],
    [{ status: 413 }, 'too-large'],
  ])('%j is %s', async (answer, kind) => {
    expect((await deliver(await sentinel(answer))).kind).toBe(kind);
  });

  test('a wrong secret is named by the check, blocks, and is shown by nothing', async () => {
    await sentinel();
    const url = receiver.url;
    const login = { authority: url, tenantId: 't1', clientId: 'c1', clientSecret: 'wr0ng-secret' };
    const wrong = await open({ type: 'sentinel', url, rule, stream: 'Custom-Audit', ...login });
    const error = await wrong.check(signal).then(String, String);
    expect(error).toContain('invalid_client');
    expect(error).not.toContain('wr0ng-secret');
    const outcome = await deliver(wrong);
    expect(outcome).toMatchObject({ kind: 'blocked', code: '401' });
    expect(JSON.stringify(outcome)).not.toContain('wr0ng-secret');
  });
});

test.each([
  ['splunk-hec', { token: 'canary-token "1"' }],
  ['elastic', { index: 'audit', apiKey: 'canary-token "1"' }],
  ['elastic', { index: 'audit', headers: { Authorization: 'Basic canary-token "1"' } }],
  ['otlp', { headers: { 'x-api-key': 'canary-token "1"' } }],
  ['datadog', { apiKey: 'canary-token "1"' }],
  ['webhook', { secrets: [`whsec_${'a'.repeat(32)}`], headers: { 'X-Key': 'canary-token "1"' } }],
])('%s shows no secret that a gateway repeats in the sentence that refuses it', async (type, options) => {
  const destination = await open({ type, url: receiver.url, ...options });
  const repeat = (headers: object) => Object.values(headers).filter((value) => String(value).includes('canary'));
  for (const status of [400, 401, 503]) {
    receiver.answer = ({ headers }) => {
      const [header = ''] = repeat(headers);
      const message = `Not a key=value pair in the header: '${header}'; ${header.replace(/^\w+ /, '')}.`;
      return { status, body: `${message} ${JSON.stringify({ message })}` };
    };
    const said = JSON.stringify([await deliver(destination), await destination.check(signal)]);
    expect(said).not.toContain('canary');
    expect(said).toContain('…');
  }
});

test('sentinel shows no client secret that the authority repeats', async () => {
  const entry = { type: 'sentinel', url: receiver.url, authority: receiver.url, tenantId: 't', clientId: 'c' };
  const rule = { rule: `dcr-${'0'.repeat(32)}`, stream: 'Custom-Audit', clientSecret: 'canary-secret' };
  receiver.answer = ({ body }) => ({ status: 401, body: `Refused: ${body}` });
  const outcome = await deliver(await open({ ...entry, ...rule }));
  expect(outcome).toMatchObject({ kind: 'blocked', reason: expect.stringContaining('client_secret=…') });
});
