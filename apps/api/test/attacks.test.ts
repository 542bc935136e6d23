import { once } from 'node:events';
import { type ClientRequest, get, type IncomingMessage, request as send } from 'node:http';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type ApiFixture, createApiFixture, masterKey } from '@auditbox/testing/fixtures/api-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { countSentBytes } from '@auditbox/testing/probes/count-sent-bytes.ts';
import { type Felt, watchLivez } from '@auditbox/testing/probes/watch-livez.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

/*
 * Requests that are cheap to send and were expensive to answer. While each of them runs, other callers are answered, and the
 * memory of the api grows by less than 50 MB. ATTACKS_TABLE=true prints what each of them sent, what was felt, and what the longest
 * silences were made of.
 */

const maxSilenceMs = 100;
/** Where a busy machine makes every answer slow, the processor time of one turn of the event loop decides. */
const maxTurnMs = 100;
const maxGrowthBytes = 50 * 1024 * 1024;
const tries = 5;

const sentBytes = countSentBytes();

const probes = ['longest-turn', 'collect-garbage'];

let api: ApiFixture;
beforeAll(async () => {
  api = await createApiFixture({
    NODE_OPTIONS: `--max-semi-space-size=8 ${probes.map((name) => `--import ${import.meta.resolve(`@auditbox/testing/probes/${name}.ts`)}`).join(' ')}`,
    LOG_LEVEL: 'debug',
    HTTP_STALL_TIMEOUT_MS: '3000',
  });
  // The first requests load code and fill the heap to its usual size.
  for (let n = 0; n < 3; n += 1) {
    const events = someEvents(4_000, { updated_values: { text: 'x'.repeat(1_000) } });
    expect((await api.request('/audit/batch', { body: events })).status).toBe(201);
    await api.request('/audit?page_size=100');
    await api.request('/audit/export');
  }
});
afterAll(async () => {
  await api.close();
  if (process.env.ATTACKS_TABLE) console.log(printTable());
});

interface Measured {
  readonly sent: number;
  readonly longestMs: number;
  readonly longest: Felt['longest'];
  readonly turnMs: number;
  readonly grownBytes: number;
}

/** By the names of the tests; of several attacks of a test the worst figures. */
const table = new Map<string, Measured>();

function addToTable<T>({ result, ...measured }: Measured & { readonly result: T }): T {
  const name = expect.getState().currentTestName ?? '';
  const before = table.get(name) ?? measured;
  const worst = (key: Exclude<keyof Measured, 'longest'>) => Math.max(before[key], measured[key]);
  table.set(name, {
    sent: worst('sent'),
    longestMs: worst('longestMs'),
    longest: (measured.longestMs > before.longestMs ? measured : before).longest,
    turnMs: worst('turnMs'),
    grownBytes: worst('grownBytes'),
  });
  return result;
}

function printTable(): string {
  const rows = [...table].map(([name, { sent, longestMs, turnMs, grownBytes }]) => {
    const size = sent < 1e6 ? `${Math.ceil(sent / 1e3)} kB` : `${(sent / 1e6).toFixed(1)} MB`;
    const grownMB = Math.max(0, grownBytes / 1024 / 1024).toFixed(0);
    return `| ${name} | ${size} | ${longestMs.toFixed(0)} | ${turnMs.toFixed(0)} | ${grownMB} |`;
  });
  return [
    '| attack | sent | longest silence of /livez, ms | longest turn, ms | growth of memory, MB |',
    '| --- | --: | --: | --: | --: |',
    ...rows,
    '',
    '| attack | silence, ms | in it the api ran, ms | the api waited for a processor, ms | the watcher waited for one, ms |',
    '| --- | --: | --: | --: | --: |',
    ...[...table]
      .filter(([, { longestMs }]) => longestMs > maxSilenceMs / 2)
      .map(([name, { longestMs, longest }]) => {
        const parts = [longestMs, longest.apiRanMs, longest.apiWaitedMs, longest.ownWaitedMs];
        return `| ${name} | ${parts.map((ms) => ms.toFixed(0)).join(' | ')} |`;
      }),
  ].join('\n');
}

/**
 * Runs an attack until it was not felt, and returns its result. Where the process grew by more than 50 MB, the attack runs once
 * more while garbage is collected early, because V8 keeps garbage as long as the machine has memory.
 */
async function expectUnfelt<T>(attack: (attempt: number) => Promise<T>, neededBytes = maxGrowthBytes): Promise<T> {
  const before = await rest();
  const quick = await runQuickly(attack);
  const grownBytes = quick.mostBytes - before;
  if (grownBytes <= maxGrowthBytes) return addToTable({ ...quick, grownBytes });
  const kept = await runWithoutGarbage(quick.attempts + 1, attack);
  expect(kept.grownBytes, 'bytes of memory that the api needed').toBeLessThanOrEqual(neededBytes);
  const { longestMs, longest, turnMs } = quick;
  return addToTable({ ...kept, longestMs, longest, turnMs });
}

async function runQuickly<T>(attack: (attempt: number) => Promise<T>) {
  let mostBytes = 0;
  for (let attempts = 1; ; attempts += 1) {
    await measureTurns();
    const sentBefore = sentBytes();
    const { result, felt } = await watchLivez({ url: api.url, pid: api.app.pid }, () => attack(attempts));
    const turnMs = await measureTurns();
    mostBytes = Math.max(mostBytes, felt.mostBytes);
    const { longestMs, longest } = felt;
    if (longestMs <= maxSilenceMs || turnMs <= maxTurnMs)
      return { result, attempts, sent: sentBytes() - sentBefore, longestMs, longest, turnMs, mostBytes };
    if (attempts === tries)
      expect(turnMs, `longest turn in ms, with a silence of ${longestMs} ms`).toBeLessThanOrEqual(maxTurnMs);
  }
}

/** Turns are longer here, so they are not measured. */
async function runWithoutGarbage<T>(attempt: number, attack: (attempt: number) => Promise<T>) {
  collected += 1;
  const wanted = collected;
  api.app.signal('SIGWINCH');
  const sentBefore = sentBytes();
  const result = await attack(attempt);
  api.app.signal('SIGWINCH');
  const { neededBytes } = await api.app.event('memory', ({ reports }) => reports === wanted);
  return { result, sent: sentBytes() - sentBefore, grownBytes: Number(neededBytes) };
}

let collected = 0;
let measured = 0;
/** The processor time of the longest turn since the last call. */
async function measureTurns(): Promise<number> {
  measured += 1;
  const wanted = measured;
  api.app.signal('SIGUSR2');
  const { cpuMs } = await api.app.event('longest-turn', ({ reports }) => reports === wanted);
  return Number(cpuMs);
}

/** The memory of the api when nobody asks for anything. */
async function rest(): Promise<number> {
  const { felt } = await watchLivez({ url: api.url, pid: api.app.pid }, () => api.request('/livez'));
  return felt.mostBytes;
}

const repeat = (text: string, count: number, separator = ',') => Array(count).fill(text).join(separator);
const nest = (inner: string, depth: number) => `${'['.repeat(depth)}${inner}${']'.repeat(depth)}`;
const withValue = (event: object, json: string) => JSON.stringify(event).replace('"@"', () => json);

test('events that nest deeply, sent again with their members swapped, are compared without being felt', async () => {
  const [numbers, names] = [nest(repeat('0', 55_000), 100), manyNames(59_900)];
  for (const [first, again] of [
    [`"a":${numbers},"b":${nest('1', 20)}`, `"b":${nest('1', 20)},"a":${numbers}`],
    // 59,900 members, sent again in reverse: an event may have no more.
    [names, names.split(',').reverse().join()],
  ] as const)
    await expectUnfelt(async () => {
      const events = someEvents(8, { before_value: null, updated_values: '@' });
      const statuses = [];
      for (const members of [first, again]) {
        const body = gzipSync(`[${events.map((event) => withValue(event, `{${members}}`)).join()}]`);
        statuses.push((await api.request('/audit/batch', { body, headers: { 'content-encoding': 'gzip' } })).status);
      }
      expect(statuses[0]).toBe(201);
      expect([200, 409]).toContain(statuses[1]);
    });
});

const eightMegabytes = 8 * 1024 * 1024 - 2;
const json = 'application/json';
const lines = 'application/x-ndjson';

test.each([
  ['opening brackets', json, () => '['.repeat(eightMegabytes), 422],
  ['empty objects', json, () => `[${repeat('{}', eightMegabytes / 3)}]`, 422],
  ['empty arrays in one event', json, () => `[{"a":[${repeat('[]', eightMegabytes / 3 - 10)}]}]`, 422],
  ['numbers', json, () => `[${repeat('0', eightMegabytes / 2)}]`, 422],
  ['lines of one digit', lines, () => '0\n'.repeat(eightMegabytes / 2), 422],
  ['blank lines', lines, () => '\n'.repeat(eightMegabytes), 422],
  ['blanks', json, () => ' '.repeat(eightMegabytes), 422],
  ['escapes', json, () => `["${'\\n'.repeat(eightMegabytes / 2 - 4)}\\u0000"]`, 422],
  ['quotes and backslashes', json, () => `[${'"\\'.repeat(eightMegabytes / 2 - 4)}`, 422],
  ['names that no event has', json, () => `[{${manyNames(80_000)}}]`, 422],
  ['events with many values each', json, () => `[${repeat(`{"a":[${repeat('0', 50_000)}]}`, 70)}]`, 422],
])('a batch of %s is rejected without being felt', async (_what, type, makeBody, status) => {
  const body = makeBody();
  expect(body.length).toBeLessThanOrEqual(8 * 1024 * 1024);
  await expectUnfelt(async () => {
    const answers = await Promise.all(Array.from({ length: 2 }, () => api.request('/audit/batch', { body, type })));
    // Together they may exceed what one key may hold.
    for (const answer of answers) expect([status, 429]).toContain(answer.status);
  });
});

function manyNames(count: number, after = 0): string {
  return Array.from({ length: count }, (_, n) => `"${(after * count + n).toString(36)}":0`).join();
}

test.each([
  ['values', () => `"updated_values":[${repeat('0', 115_000)}]`, 201],
  ['too many values', () => `"updated_values":[${repeat('[]', 340_000)}]`, 422],
  ['names in its context', () => `"context":{${manyNames(50_000)}}`, 201],
  [
    'places that cannot be stored',
    () => `"context":{"${'n'.repeat(500_000)}":["\\u0000${repeat('"\\u0000"', 40_000)}]}`,
    400,
  ],
  ['levels', () => `"updated_values":${nest('', 500_000)}`, 422],
])('large events with many %s at once are answered without being felt', async (_what, makeMembers, status) => {
  const members = makeMembers();
  await expectUnfelt(async () => {
    const bodies = someEvents(5).map((event) =>
      JSON.stringify({ ...event, before_value: undefined, updated_values: undefined }).replace(/}$/, `,${members}}`),
    );
    const answers = await Promise.all(bodies.map((body) => api.request('/audit', { body })));
    for (const answer of answers) {
      expect(answer.status).toBe(status);
      expect(answer.text.length).toBeLessThan(1_100_000);
    }
  });
});

test('a body that inflates more than a hundredfold is rejected before it is inflated', async () => {
  const body = gzipSync(Buffer.alloc(8 * 1024 * 1024, ' '));
  expect(body.length).toBeLessThan(10_000);
  await expectUnfelt(async () => {
    const attempts = Array.from({ length: 30 }, () =>
      api.request('/audit/batch', { body, headers: { 'content-encoding': 'gzip' } }),
    );
    for (const answer of await Promise.all(attempts)) expect([413, 429]).toContain(answer.status);
  });
});

/** Stores events of one object by SQL, a second apart, and returns the path of its history. */
async function record(object_id: string, values: readonly string[], action = 'rotated'): Promise<string> {
  for (const [n, value] of values.entries()) {
    await api.db.sql`
      insert into auditbox.audit_log (occurred_at, changed_by, action, table_name, object_id, updated_values)
      values (timestamptz '2026-07-03' + ${n} * interval '1 second', 'ana', ${action}, 'attacked', ${object_id}, ${value}::text::json)`;
  }
  return `/audit/objects/attacked/${object_id}`;
}

const counted = Array.from({ length: 15_000 }, (_, n) => n);

test.each([
  ['deep values that change everywhere', 'rotated', (n: number) => nest(repeat(String(n % 2), 48_000), 126)],
  ['deep objects', 'rotated', (n: number) => nest(repeat(`{"a":${n % 2}}`, 11_000), 120)],
  ['one long name above many changes', 'rotated', (n: number) => `{"${'n'.repeat(40_000)}":{${valuesOf(5_000, n)}}}`],
  ['partial updates of 90 kB that add up', 'updated', (n: number) => `{"member-${n}":"${'x'.repeat(90_000)}"}`],
  ['partial updates that each add 59,000 members', 'updated', (n: number) => `{${manyNames(59_000, n)}}`],
  ['texts of 90,000 members', 'updated', (n: number) => JSON.stringify(`{${manyNames(90_000, n)}}`)],
  ['texts of empty objects', 'updated', () => JSON.stringify(`[${repeat('{}', 330_000)}]`)],
  ['arrays that are reversed', 'rotated', (n: number) => JSON.stringify(n % 2 === 0 ? counted : counted.toReversed())],
  ['numbers with long exponents', 'rotated', (n: number) => `1e${'9'.repeat(90_000)}${n % 10}`],
])('the history of an object with %s is read without being felt', async (what, action, makeValue) => {
  const path = await record(
    what.replaceAll(' ', '-'),
    Array.from({ length: 40 }, (_, n) => makeValue(n)),
    action,
  );
  await expectUnfelt(async () => {
    const found: unknown[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { status, body, text } = await api.request(`${path}?page_size=100&cursor=${cursor}`);
      expect(status).toBe(200);
      // 8 MiB, and what stands around the steps.
      expect(Buffer.byteLength(text)).toBeLessThan(8 * 1024 * 1024 + 1_000);
      found.push(...body.audit_logs);
      cursor = body.next_cursor;
    }
    expect(found).toHaveLength(40);
  });
});

function valuesOf(count: number, n: number): string {
  return Array.from({ length: count }, (_, at) => `"${at}":${n}`).join();
}

test.each([
  ['2,000 words', `q=${repeat('word', 2_000, '+')}&start_date=2026-07-01`, 'q'],
  ['3,000 parameters', repeat('a=1', 3_000, '&'), ''],
  ['1,000 places in values', Array.from({ length: 1_000 }, (_, n) => `context.${n}=1`).join('&'), ''],
  ['2,500 values of a filter', `object_id=${Array.from({ length: 2_500 }, (_, n) => n).join()}`, 'object_id'],
])('a query with %s is a 400 that is not felt', async (_what, query, path) => {
  await expectUnfelt(async () => {
    for (const route of ['/audit', '/audit/export', '/audit/stats']) {
      const { status, body } = await api.request(`${route}?${query}`);
      expect(status).toBe(400);
      expect(body.errors.map((error: { path: string }) => error.path)).toContain(path);
    }
  });
});

test('an Accept header of many unbalanced parts is not felt', async () => {
  const accept = `text/csv;a="${','.repeat(15_000)}`;
  await expectUnfelt(async () => {
    for (let n = 0; n < 5; n += 1) await api.request('/audit/export?object_id=none', { headers: { accept } });
  });
});

test('events larger than a megabyte are rejected in a batch as they are alone', async () => {
  const events = [anEvent(), anEvent({ updated_values: 'x'.repeat(1024 * 1024) })];
  const body = JSON.stringify(events);
  expect(await api.request('/audit/batch', { body })).toMatchObject({
    status: 422,
    body: { errors: [{ path: '[1]', message: expect.stringContaining('larger than') }] },
  });
  const rows = events.map((event) => JSON.stringify(event)).join('\n');
  expect((await api.request('/audit/batch', { body: rows, type: lines })).status).toBe(422);
});

test('pages and feeds of large events end at 8 MiB, have a cursor, and hold every event once', async () => {
  await insertLarge('large', Array(30).fill(1_000_000));
  for (const query of queries) {
    const { sizes, ids } = await expectUnfelt(() => readPages(`/audit?table_name=large&page_size=100&${query}`));
    expect(new Set(ids).size).toBe(30);
    expect(ids).toHaveLength(30);
    expect(Math.max(...sizes)).toBeLessThan(8.4e6);
    expect(sizes.filter((size) => size > 7_000_000).length).toBeGreaterThanOrEqual(3);
  }
});

test('an event that is larger than a page, which only SQL can write, has a page to itself', async () => {
  await insertLarge('larger', [1_000_000, 9_000_000, 1_000_000]);
  for (const query of queries) {
    const { sizes } = await readPages(`/audit?table_name=larger&page_size=100&${query}`);
    expect(sizes.filter((size) => size > 1_000).map((size) => Math.round(size / 1_000_000))).toEqual([1, 9, 1]);
  }
});

const queries = ['cursor=', 'recorded_after=2026-01-01&cursor='];

async function insertLarge(table: string, lengths: readonly number[]): Promise<void> {
  for (const [n, length] of lengths.entries())
    await api.db.sql`
      insert into auditbox.audit_log (changed_by, action, table_name, object_id, updated_values)
      values ('ana', 'created', ${table}, ${n}, to_json(repeat('x', ${length})))`;
}

/** Reads pages without parsing them. */
async function readPages(path: string): Promise<{ sizes: number[]; ids: string[] }> {
  const sizes: number[] = [];
  const ids: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { status, text } = await api.request(`${path}${cursor}`, { headers: { accept: 'text/plain' } });
    expect(status).toBe(200);
    sizes.push(text.length);
    ids.push(...Array.from(text.matchAll(/"id":"([0-9a-f-]{36})"/g), ([, id]) => id as string));
    const isAtEnd = /"caught_up":true/.test(text);
    cursor = isAtEnd ? null : (/"next_cursor":"([^"]+)"/.exec(text)?.[1] ?? null);
  }
  return { sizes, ids };
}

const authorization = `Bearer ${masterKey}`;

/** Asks, and takes nothing of the answer beyond what the network holds. */
async function askWithoutReading(path: string): Promise<{ request: ClientRequest; answer: IncomingMessage }> {
  const request = get(`${api.url}${path}`, { headers: { authorization }, agent: false });
  request.on('error', () => {});
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  answer.on('error', () => {});
  answer.pause();
  return { request, answer };
}

/** Resolves when the connection of a request is closed, in whatever way. */
async function untilClosed({ socket }: ClientRequest): Promise<void> {
  if (socket && !socket.destroyed) await new Promise((resolve) => socket.once('close', resolve));
}

test('lists that nobody reads hold little memory', async () => {
  await expectUnfelt(async () => {
    const path = '/audit?table_name=large&page_size=100&cursor=';
    const answers = await Promise.all(Array.from({ length: 40 }, () => askWithoutReading(path)));
    // The network may hold a whole page; then the api is done with it.
    for (const { answer } of answers) expect([200, 429]).toContain(answer.statusCode);
    for (const { request } of answers) request.destroy();
  });
  await eventually(async () => expect((await api.request('/audit?page_size=1')).status).toBe(200));
});

test('exports that nobody reads hold little memory, and are cut off', async () => {
  // Ten of them are open, with two parts of an event of a megabyte each. While a part arrives, it is there twice.
  const neededBytes = 80 * 2 ** 20;
  await expectUnfelt(async () => {
    const path = '/audit/export?table_name=large';
    const answers = await Promise.all(Array.from({ length: 100 }, () => askWithoutReading(path)));
    const statuses = new Set(answers.map(({ answer }) => answer.statusCode));
    // 503: on a slow machine a few exports wait too long for a connection to the database.
    statuses.delete(503);
    expect([...statuses].sort()).toEqual([200, 429]);
    const open = answers.filter(({ answer }) => answer.statusCode === 200);
    for (const { answer } of open) {
      const id = answer.headers['x-request-id'];
      expect(await api.app.event('request', ({ requestId }) => requestId === id)).toMatchObject({ answered: false });
    }
    // What the network holds arrives, and then the connection ends in the middle.
    await Promise.all(open.map(({ answer }) => new Promise((resolve) => answer.resume().once('close', resolve))));
    expect(open.filter(({ answer }) => answer.complete)).toEqual([]);
    for (const { request } of answers) request.destroy();
  }, neededBytes);
});

test('bodies that are sent by half hold little memory, and are cut off', async () => {
  const half = Buffer.alloc(6 * 1024 * 1024, ' ');
  await expectUnfelt(async () => {
    const requests = Array.from({ length: 60 }, () => {
      const request = send(`${api.url}/audit/batch`, {
        method: 'POST',
        agent: false,
        headers: { authorization, 'content-type': json, 'content-length': 8 * 1024 * 1024 },
      });
      request.on('error', () => {});
      request.write(half);
      return request;
    });
    const statuses: number[] = [];
    for (const request of requests)
      request.on('response', (answer) => {
        statuses.push(answer.statusCode ?? 0);
        answer.resume();
      });
    await eventually(async () => expect(statuses.length).toBeGreaterThan(50));
    expect(new Set(statuses)).toEqual(new Set([429]));
    await Promise.all(requests.map(untilClosed));
  });
  expect((await api.request('/audit', { body: anEvent() })).status).toBe(201);
});

test.each(['/livez', '/openapi.json', '/docs/', '/nothing'])(
  'ten thousand requests for %s that arrive together on a connection are not felt',
  async (path) => {
    const text = `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(10_000);
    await expectUnfelt(async () => {
      const socket = connect(Number(new URL(api.url).port), '127.0.0.1').on('error', () => {});
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.pause();
      socket.write(text);
      // It is not read until the api has made what it makes.
      expect((await api.request('/audit?page_size=1')).status).toBe(200);
      socket.resume();
      await closed;
    });
  },
);

test('bodies in chunks of one byte are cut off without being felt', async () => {
  const head = `POST /audit/batch HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${masterKey}\r\nContent-Type: ${json}\r\nTransfer-Encoding: chunked\r\n\r\n`;
  const chunks = `${'1\r\n \r\n'.repeat(300_000)}0\r\n\r\n`;
  await expectUnfelt(async () => {
    // One after another: Node parses the first 64 KiB of each connection whatever the api does, so that together they show their number.
    for (let n = 0; n < 5; n += 1) {
      const socket = connect(Number(new URL(api.url).port), '127.0.0.1').resume();
      const closed = new Promise((resolve) => socket.on('error', () => {}).once('close', resolve));
      socket.write(head + chunks);
      await closed;
      expect(socket.bytesRead, 'bytes of an answer').toBe(0);
    }
  });
});

test('files and metrics that nobody reads, and nobody needs a key for, hold little memory', async () => {
  for (const path of ['/docs/swagger-ui-bundle.js', '/openapi.json', '/metrics', '/ui']) {
    await expectUnfelt(async () => {
      const ask = async () => {
        const socket = connect(Number(new URL(api.url).port), '127.0.0.1').on('error', () => {});
        socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
        // The api cuts off who does not read.
        await new Promise((resolve) => socket.once('readable', resolve).once('close', resolve));
        return socket;
      };
      const sockets = [];
      // In groups: the turn in which hundreds of connections begin is the price of connections, which have bounds of their number.
      for (let n = 0; n < 25; n += 1) sockets.push(...(await Promise.all(Array.from({ length: 20 }, ask))));
      for (const socket of sockets) socket.destroy();
    });
  }
});

const pattern = (n: number) => `${'*a'.repeat(126)}*${n.toString(36)}*`.slice(-256);
const patterns = Array.from({ length: 100 }, (_, n) => pattern(n + 36));

test('a key with the longest bounds that makes another one with them is not felt', async () => {
  const bounds = { table_name: [...patterns.slice(0, 99), '*'], changed_by: [...patterns.slice(0, 99), '*'] };
  const admin = await api.request('/keys', { body: { name: 'bound', scopes: ['admin'], bounds } });
  expect(admin.status).toBe(201);
  const texts = Array.from({ length: 100 }, (_, n) => `${'a'.repeat(250)}${n}`);
  await expectUnfelt(async (attempt) => {
    const body = { name: `made-${attempt}`, scopes: ['read'], bounds: { table_name: texts, changed_by: texts } };
    const made = await api.request('/keys', { key: admin.body.key, body });
    expect(made.status, made.text).toBe(201);
  });
});

test('events of a key with the longest bounds are compared without being felt', async () => {
  const bounds = {
    table_name: patterns.map((one) => `${one}b`.slice(-256)),
    changed_by: [...patterns.slice(0, 99), '*'],
  };
  const { body } = await api.request('/keys', { body: { name: 'writes', scopes: ['write'], bounds } });
  const events = someEvents(100, { table_name: 'a'.repeat(512), changed_by: 'a'.repeat(512) });
  await expectUnfelt(async () => {
    const answers = await Promise.all(events.map((event) => api.request('/audit', { key: body.key, body: event })));
    for (const { status } of answers) expect(status).toBe(403);
  });
});

test.each([
  ['a key with thousands of wrong scopes', '/keys', () => ({ name: 'x', scopes: Array(15_000).fill('?') })],
  [
    'a key with thousands of wrong addresses',
    '/keys',
    () => ({ name: 'x', scopes: ['read'], bounds: { addresses: Array(15_000).fill('?') } }),
  ],
  [
    'a replay with thousands of names',
    '/exports/replay',
    () => Object.fromEntries(counted.slice(0, 6_000).map((n) => [n, 0])),
  ],
  ['a batch of ten thousand wrong events', '/audit/batch?partial=true', () => Array(10_000).fill({})],
  ['a dry run of ten thousand wrong events', '/audit/batch?dry_run=true', () => Array(10_000).fill({})],
])('%s gets its problems without being felt', async (_what, path, makeBody) => {
  const body = JSON.stringify(makeBody());
  await expectUnfelt(async () => {
    const answers = await Promise.all(Array.from({ length: 3 }, () => api.request(path, { body })));
    for (const { status } of answers) expect([200, 422]).toContain(status);
  });
});

test('two thousand connections that stop in the middle of a body are cut off without being felt', async () => {
  const { port } = new URL(api.url);
  const head = `POST /audit HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${masterKey}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n`;
  await expectUnfelt(async () => {
    const sockets = Array.from({ length: 2_000 }, () => connect(Number(port), '127.0.0.1').on('error', () => {}));
    const closed = sockets.map((socket) => new Promise((resolve) => socket.resume().once('close', resolve)));
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.write(head, resolve))));
    await Promise.all(closed);
  });
});

test('a thousand connections that send a byte now and then leave other callers alone', async () => {
  const { port } = new URL(api.url);
  const sockets = Array.from({ length: 1_000 }, () => connect(Number(port), '127.0.0.1').on('error', () => {}));
  await expectUnfelt(async () => {
    for (const text of ['POST /audit HTTP/1.1\r\n', 'Host: x\r\n', 'X: ']) {
      await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.write(text, resolve))));
      expect((await api.request('/audit', { body: anEvent() })).status).toBe(201);
    }
  });
  for (const socket of sockets) socket.destroy();
});
