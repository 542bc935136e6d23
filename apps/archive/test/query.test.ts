import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { createLineSplitter } from '@auditbox/s3/split-lines.ts';
import { endApps } from '@auditbox/testing/servers/spawn-app.ts';
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { shell } from '../src/commands/shell.ts';
import { runStatement } from '../src/query/run-statement.ts';
import { withEvents } from '../src/query/with-events.ts';
import { type ArchiveFixture, createArchiveFixture } from './archive-fixture.ts';

/* Questions to the archive: query, get, find. */

/** Digits, order of keys, keys that are there twice, blanks and escapes that a JSON library changes. */
const oddValue = String.raw`{"b":1.0,"a":10000000000000000000000000001,"b":2,  "s":"\u00e9é","f":0.1000000000000000055,"g":100.00,"e":1e400}`;
const odd = randomUUID();
const textual = randomUUID();
const escaped = randomUUID();

let fixture: ArchiveFixture;
beforeAll(async () => {
  fixture = await createArchiveFixture();
  await fixture.insert([
    { id: odd, at: '2026-07-03T11:46:50.2Z', digits: 1, before: oddValue, updated: 'null' },
    { id: textual, at: '2026-07-03T11:50:00Z', digits: 0, before: '"text"', updated: '12.50', object: 'a/b' },
    {
      id: escaped,
      at: '2026-07-03T12:00:00Z',
      actor: 'a "quoted" \\ name',
      object: 'line\nbreak\u0001',
      tenant: 'acme',
    },
  ]);
  await fixture.drain();
  await fixture.insert([
    {
      id: randomUUID(),
      at: '2026-07-04T00:00:00Z',
      actor: 'bob',
      action: 'deleted',
      before: '{"actor":"x","changed_by":"ana"}',
    },
    { id: randomUUID(), at: '2026-08-01T00:00:00Z', actor: 'bob', action: 'created', table: 'keys' },
  ]);
  await fixture.drain({ EXPORT_COMPRESSION: 'zstd' });
});
afterEach(endApps);
afterAll(() => fixture.close());

async function rows(sql: string, ...more: string[]): Promise<unknown[]> {
  const { exitCode, output, said } = await fixture.archive(['query', sql, '--json', ...more]);
  expect(exitCode, said).toBe(0);
  return output
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

function requestsSince(before: number): string[] {
  return fixture.proxy.requests.slice(before).map(({ path }) => decodeURIComponent(path));
}

describe('query', () => {
  test('values, times and names are the text of the object', async () => {
    expect(await rows(`select * from events where id = '${odd}'`)).toEqual([
      expect.objectContaining({
        updated_at: '2026-07-03T11:46:50.2Z',
        before_value: oddValue,
        updated_values: null,
        occurred_at: '2026-07-03 11:46:50.2+00',
        tenant: null,
        line: 0,
      }),
    ]);
    expect(await rows(`select before_value, updated_values from events where id = '${textual}'`)).toEqual([
      { before_value: '"text"', updated_values: '12.50' },
    ]);
    expect(await rows(`select changed_by, object_id, tenant from events where id = '${escaped}'`)).toEqual([
      { changed_by: 'a "quoted" \\ name', object_id: 'line\nbreak\u0001', tenant: 'acme' },
    ]);
  });

  test('only events of the range are seen, both bounds included', async () => {
    const count = async (...range: string[]) => rows('select count(*) as n from events', ...range);
    expect(await count()).toEqual([{ n: 5 }]);
    expect(await count('--from', '2026-07-03', '--to', '2026-07-03')).toEqual([{ n: 3 }]);
    expect(await count('--from', '2026-07-03T11:50:00Z', '--to', '2026-07-03T12:00:00Z')).toEqual([{ n: 2 }]);
    expect(await count('--from', '2026-07-03T11:50:00.000001Z', '--to', '2026-07-03T11:59:59Z')).toEqual([{ n: 0 }]);
    expect(await count('--from', '2026-07-03', '--to', '2026-07-03T11:49:00Z')).toEqual([{ n: 1 }]);
    expect(await count('--from', '2027-01-01')).toEqual([{ n: 0 }]);
  });

  test('folders outside of the range are not read', async () => {
    const before = fixture.proxy.requests.length;
    await rows('select 1', '--from', '2026-08-01T00:00:00Z', '--to', '2026-08-02');
    expect(requestsSince(before).filter((path) => path.includes('dt=2026-07'))).toEqual([]);
  });

  test('a second query fetches no object again', async () => {
    await rows('select 1');
    const before = fixture.proxy.requests.length;
    expect(await rows('select count(*) as n from events')).toEqual([{ n: 5 }]);
    expect(requestsSince(before).filter((path) => path.includes('.ndjson'))).toEqual([]);
    expect((await readdir(fixture.cache)).filter((name) => name.startsWith('run-'))).toEqual([]);
  });

  test('an archive without objects answers with no rows', async () => {
    const { exitCode, output } = await fixture.archive(['query', 'select * from events', '--csv'], {
      S3_PREFIX: 'nothing/',
    });
    expect({ exitCode, output }).toEqual({ exitCode: 0, output: expect.stringMatching(/^"id","updated_at",.*\r\n$/) });
  });

  test('no statement changes the files of the cache, which later queries read', async () => {
    await rows('select 1');
    const [file = ''] = (await readdir(fixture.cache)).filter((name) => name.endsWith('.parquet'));
    const before = await readFile(join(fixture.cache, file));
    const parts = fixture.parts({ write: () => {}, say: () => {} });
    const said: string[] = [];
    const run = async (makeStatements: (path: string) => readonly string[]) =>
      withEvents(parts, { range: { from: null, to: null }, usesParquet: true }, async (connection) => {
        const found = await connection.runAndReadAll(
          "select value from duckdb_settings() where name = 'allowed_directories'",
        );
        const folder = /^\[([^,\]]+)/.exec(String(found.getRows()[0]?.[0]))?.[1] ?? '';
        expect(await readdir(folder)).toContain(file);
        for (const sql of makeStatements(`${folder}${file}`))
          await runStatement(connection, sql, 'csv', () => {}).catch((error: Error) => said.push(error.message));
      });
    const copy = (path: string) => `copy (select 1 as n) to '${path}' (format parquet, use_tmp_file false)`;
    await run((path) => [
      copy(path),
      `explain analyze ${copy(path)}`,
      `prepare p as ${copy(path)}`,
      'execute p',
      `attach '${path}.db' as other`,
      `export database '${path}.folder'`,
    ]);
    expect(said).toHaveLength(6);
    expect(await readFile(join(fixture.cache, file))).toEqual(before);
    expect((await fixture.archive(['query', 'explain analyze select count(*) from events'])).exitCode).toBe(0);
  });

  test('a value that would change the terminal is shown by its numbers in a table', async () => {
    const { output } = await fixture.archive([
      'query',
      "select 'a' || chr(27) || '[2J' || chr(10) || chr(155) as text",
    ]);
    expect(output).toBe(`text\n${'-'.repeat(18)}\na\\u001b[2J\\n\\u009b\n`);
  });

  test('a table without rows says so; JSON stays empty, and CSV has its header', async () => {
    const sql = "select id, action from events where object_id = 'nothing'";
    expect((await fixture.archive(['query', sql])).output).toBe('id  action\n--  ------\n(no rows)\n');
    expect((await fixture.archive(['query', sql, '--json'])).output).toBe('');
    expect((await fixture.archive(['query', sql, '--csv'])).output).toBe('"id","action"\r\n');
  });

  test('a negative number is a number in CSV, and a text that looks like a formula is not one', async () => {
    const sql =
      "select -5 as n, -9007199254740993::bigint as big, -1.5::double as half, -0.10::decimal(9,2) as cents, '-5' as text, '=1' as formula";
    const { output } = await fixture.archive(['query', sql, '--csv']);
    expect(output).toBe(`"n","big","half","cents","text","formula"\r\n-5,-9007199254740993,-1.5,-0.10,"'-5","'=1"\r\n`);
  });

  test('whole numbers and decimals keep their digits in JSON', async () => {
    const sql = 'select 9007199254740993::bigint as big, 1.20::decimal(10, 2) as price, true as yes, [1, 2] as list';
    expect((await fixture.archive(['query', sql, '--json'])).output).toBe(
      '{"big":9007199254740993,"price":1.20,"yes":true,"list":"[1, 2]"}\n',
    );
  });

  test('a statement reaches no file and no network', async () => {
    for (const sql of [
      `select * from read_text('/etc/passwd')`,
      `copy (select 1) to '/tmp/auditbox-leak.csv'`,
      'install httpfs',
      `attach '/tmp/x.duckdb'`,
      'set enable_external_access = true',
    ]) {
      const { exitCode, said } = await fixture.archive(['query', sql, '--from', '2027-01-01']);
      expect({ exitCode, said }).toEqual({ exitCode: 1, said: expect.stringMatching(/^The statement failed: /) });
    }
  });

  test('an object whose lines are not those of its name is named, with exit code 3', async () => {
    const key = 'audit_logs/dt=2025-01-01/hour=00/000000_000000000001_0123456789ab.ndjson.gz';
    const line = `{"id":"${randomUUID()}","updated_at":"2025-01-01T00:00:00Z"}\n`;
    const { client, name: Bucket } = fixture.bucket;
    await client.send(new PutObjectCommand({ Bucket, Key: key, Body: gzipSync(line) }));
    const ran = await fixture.archive(['query', 'select 1', '--from', '2025-01-01', '--to', '2025-01-01']);
    expect(ran).toMatchObject({ exitCode: 3, said: expect.stringContaining(key) });
    expect(await rows('select count(*) as n from events', '--from', '2026-07-01')).toEqual([{ n: 5 }]);
  });

  test('an object with a line that is not an event is named, and the store is not accused', async () => {
    const time = '"updated_at":"2025-02-01T00:00:00Z"';
    const query = ['query', 'select 1', '--from', '2025-02-01', '--to', '2025-02-01'];
    const find = ['find', '--from', '2025-02-01', '--to', '2025-02-01'];
    const compact = ['compact', '--day', '2025-02-01'];
    const cases: [string, readonly string[][]][] = [
      ['{"id":"\\q"}', [query, find, compact]],
      [`{${time},"changed_by":"\\ud800"}`, [query, find, compact]],
      [`{${time},"changed_by":["\\n"]}`, [query, find, compact]],
      ['{"updated_at":"2025-02-30T00:00:00Z"}', [query, compact]],
      ['not JSON', [query, compact]],
    ];
    for (const [line, commands] of cases) {
      const lines = `${line}\n`;
      const sha256 = createHash('sha256').update(lines).digest('hex');
      const key = `audit_logs/dt=2025-02-01/hour=00/000000_000000000001_${sha256.slice(0, 12)}.ndjson.gz`;
      const { client, name: Bucket } = fixture.bucket;
      await client.send(new PutObjectCommand({ Bucket, Key: key, Body: gzipSync(lines) }));
      for (const command of commands)
        expect([line, await fixture.archive(command)]).toMatchObject([
          line,
          { exitCode: 3, said: expect.stringContaining(`${key} has a line that is not an event`) },
        ]);
      // Other tests read all objects.
      await client.send(new DeleteObjectCommand({ Bucket, Key: key }));
    }
  });

  test('an object whose last line has no line break is named by each command, and none passes over the line', async () => {
    const [first, last] = [randomUUID(), randomUUID()];
    const lineOf = (id: string) => `{"id":"${id}","updated_at":"2025-03-01T00:00:00Z","changed_by":"ana"}`;
    const lines = `${lineOf(first)}\n${lineOf(last)}`;
    const sha256 = createHash('sha256').update(lines).digest('hex');
    const key = `audit_logs/dt=2025-03-01/hour=00/000000_000000000001_${sha256.slice(0, 12)}.ndjson.gz`;
    const { client, name: Bucket } = fixture.bucket;
    await client.send(new PutObjectCommand({ Bucket, Key: key, Body: gzipSync(lines) }));
    const commands = [['query', 'select 1'], ['find'], ['get', last], ['restore', '--into', fixture.db.url]];
    for (const command of commands)
      expect(await fixture.archive([...command, '--from', '2025-03-01', '--to', '2025-03-01'])).toMatchObject({
        exitCode: 3,
        said: expect.stringContaining(`${key} has a line that is not an event: The last line has no line break.`),
      });
    // Other tests read all objects.
    await client.send(new DeleteObjectCommand({ Bucket, Key: key }));
  });

  test('a line without an end needs no more memory than a line may have', () => {
    const lines: string[] = [];
    const split = createLineSplitter((line) => lines.push(line.toString()), 10);
    split.add(Buffer.from('0123456789\n01234'));
    split.add(Buffer.from('56789\n'));
    expect(lines).toEqual(['0123456789', '0123456789']);
    split.add(Buffer.from('012345'));
    expect(() => split.add(Buffer.from('67890'))).toThrow('longer than 10 bytes');
  });

  test('a range that is larger than the cache is refused before anything is fetched, with exit code 4', async () => {
    const { client, name: Bucket } = fixture.bucket;
    const Key = 'audit_logs/dt=2025-04-01/hour=00/000000_000000000001_0123456789ab.ndjson.gz';
    await client.send(new PutObjectCommand({ Bucket, Key, Body: Buffer.alloc(1_000_001) }));
    const before = fixture.proxy.requests.length;
    const command = ['query', 'select 1', '--from', '2025-04-01', '--to', '2025-04-01'];
    const ran = await fixture.archive(command, { ARCHIVE_CACHE_MAX_BYTES: '1000000' });
    expect(ran).toMatchObject({ exitCode: 4, output: '', said: expect.stringContaining('1 object has 1000001 bytes') });
    expect(requestsSince(before).filter((path) => path.includes('.ndjson'))).toEqual([]);
    // Other tests read all objects.
    await client.send(new DeleteObjectCommand({ Bucket, Key }));
  });

  test('the cache stays within its bytes: what was not used for longest goes', async () => {
    const old = join(fixture.cache, `${'0'.repeat(64)}.parquet`);
    await writeFile(old, Buffer.alloc(990_000));
    const limit = { ARCHIVE_CACHE_MAX_BYTES: '1000000' };
    await utimes(old, 0, 0);
    const newer = await readdir(fixture.cache);
    for (const name of newer)
      if (join(fixture.cache, name) !== old) await rm(join(fixture.cache, name), { recursive: true });
    expect((await fixture.archive(['query', 'select 1', '--from', '2026-07-01'], limit)).exitCode).toBe(0);
    const sizes = await Promise.all(
      (await readdir(fixture.cache))
        .filter((name) => name.endsWith('.parquet'))
        .map((name) => stat(join(fixture.cache, name))),
    );
    expect(sizes.reduce((sum, { size }) => sum + size, 0)).toBeLessThanOrEqual(1_000_000);
  });
});

describe.each([
  ['InvalidObjectState', 'Restore it first'],
  ['AccessDenied', 'lack a permission'],
])('an object that the store does not hand out (%s)', (code, says) => {
  let refused: string;
  beforeAll(async () => {
    refused = (await fixture.bucket.objects()).map(({ key }) => key).find((key) => key.includes('hour=12')) ?? '';
    fixture.proxy.intervene = {
      before: ({ method, path }) =>
        method === 'GET' && decodeURIComponent(path).includes(refused) ? { status: 403, code } : undefined,
    };
    await rm(fixture.cache, { recursive: true });
  });
  afterAll(() => {
    fixture.proxy.intervene = {};
  });

  test.each([
    ['get', [randomUUID()], 'it is not known whether the event'],
    ['find', ['--actor', 'ana'], '2 events were found before, and there may be more'],
    ['find', ['--actor', 'nobody'], '0 events were found before, and there may be more'],
    ['query', ['select count(*) from events'], ''],
    ['compact', ['--day', '2026-07-03'], ''],
  ] as const)('%s %j names it, and does not answer as if that were all', async (command, args, part) => {
    const range = command === 'compact' ? [] : ['--from', '2026-07-03', '--to', '2026-07-03'];
    const { exitCode, said } = await fixture.archive([command, ...args, ...range]);
    expect([exitCode, said]).toEqual([1, expect.stringContaining(`${refused} cannot be read. `)]);
    expect(said).toContain(says);
    expect(said).toContain(part);
  });
});

test('a query that fails ends when its other downloads have ended, because it then removes what they write to', async () => {
  await rm(fixture.cache, { recursive: true, force: true });
  const objects = (await fixture.bucket.objects()).map(({ key }) => key).filter((key) => key.includes('2026-07-03'));
  expect(objects.length).toBeGreaterThan(1);
  const [refused = ''] = objects;
  const [answered, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let held = 0;
  fixture.proxy.intervene = {
    before: async ({ method, path }) => {
      if (method !== 'GET' || !path.includes('.ndjson')) return undefined;
      if (!decodeURIComponent(path).includes(refused)) {
        held += 1;
        await released.promise;
        return undefined;
      }
      await expect.poll(() => held).toBeGreaterThan(0);
      answered.resolve();
      return { status: 403, code: 'AccessDenied' };
    },
  };
  let isEnded = false;
  const query = fixture
    .archive(['query', 'select count(*) from events', '--from', '2026-07-03', '--to', '2026-07-03'])
    .finally(() => {
      isEnded = true;
    });
  await answered.promise;
  for (let requests = 0; requests < 100; requests += 1) await fixture.bucket.objects();
  expect(isEnded).toBe(false);
  released.resolve();
  expect((await query).exitCode).toBe(1);
  fixture.proxy.intervene = {};
});

test('shell: runs each statement, explains one that fails, and goes on', async () => {
  let [output, said] = ['', ''];
  const parts = fixture.parts({
    write(text) {
      output += text;
    },
    say(text) {
      said += text;
    },
  });
  const lines = ['select count(*) as n', 'from events;', 'select nonsense;', "select 'still here' as text;"];
  const range = { from: '2026-07-01T00:00:00.000000Z', to: null };
  await shell(parts, { kind: 'shell', range, format: 'json', usesParquet: true }, Readable.from(lines));
  expect(output).toBe('{"n":5}\n{"text":"still here"}\n');
  expect(said).toContain('The statement failed: Binder Error');
});

describe('find', () => {
  test.each([
    [['--actor', 'bob'], 2],
    [['--actor', 'ana'], 2],
    [['--actor', 'ana', '--actor', 'bob', '--action', 'deleted'], 1],
    [['--object', 'teams/a/b'], 1],
    [['--object', 'teams/line\nbreak\u0001'], 1],
    [['--actor', 'a "quoted" \\ name'], 1],
    [['--table', 'keys'], 1],
    [['--tenant', 'acme'], 1],
    [['--actor', 'ana', '--from', '2026-07-03T11:50:00Z', '--to', '2026-07-03T11:50:00Z'], 1],
    [['--from', '2026-07-01', '--limit', '2'], 2],
    [['--actor', 'nobody'], 0],
  ])('%j finds %i events', async (args, count) => {
    const { exitCode, output } = await fixture.archive(['find', '--json', '--from', '2026-01-01', ...args]);
    expect(output.split('\n').slice(0, -1)).toHaveLength(count);
    expect(exitCode).toBe(count === 0 ? 2 : 0);
  });

  test('--json prints the lines of the objects', async () => {
    const lines = (await fixture.archive(['find', '--json', '--from', '2026-01-01'])).output;
    const objects = await fixture.bucket.objects();
    expect(lines).toBe(
      objects
        .filter(({ key }) => !key.includes('dt=2025'))
        .map(({ text }) => text)
        .join(''),
    );
  });
});

describe('get', () => {
  test('prints the line of an event, and stops there', async () => {
    const before = fixture.proxy.requests.length;
    const { exitCode, output } = await fixture.archive(['get', odd.toUpperCase(), '--from', '2026-07-01']);
    expect({ exitCode, value: output.includes(oddValue) }).toEqual({ exitCode: 0, value: true });
    expect(requestsSince(before).filter((path) => path.includes('.ndjson'))).toHaveLength(1);
  });

  test('with DATABASE_URL only the object of the event is read', async () => {
    const before = fixture.proxy.requests.length;
    const ran = await fixture.archive(['get', escaped], { DATABASE_URL: fixture.db.url });
    expect(ran).toMatchObject({ exitCode: 0, output: expect.stringContaining(escaped) });
    expect(requestsSince(before)).toEqual([expect.stringContaining('dt=2026-07-03/hour=12/')]);
  });

  test('an event that is not there ends with exit code 2', async () => {
    expect(await fixture.archive(['get', randomUUID(), '--from', '2026-07-01'])).toMatchObject({
      exitCode: 2,
      output: '',
    });
  });
});

test.each([
  [['find', '--limit', '0'], 'Expected a whole number from 1'],
  [['find', '--limit', '1e3'], 'Expected a whole number from 1'],
  [['find', '--object', 'teams/'], 'Expected a table, a slash and an id'],
  [['find', '--from', 'yesterday'], 'Expected a date'],
  [['find', '--from', '2026-07-02', '--to', '2026-07-01'], '--from is after --to'],
  [['query', 'select 1', '--from', '2026-07-02', '--to', '2026-07-01T23:59:59Z'], '--from is after --to'],
  [['get', '42'], '42 is not a UUID'],
  [['compact', '--day', '2026-02-30'], 'Expected a date'],
  [['compact', '--day', '2026-07-03', '--file-mb', '0'], 'Expected a whole number from 1'],
  [['compact', '--day', '2026-07-03', '--closed-after', '-1'], 'Expected a whole number from 0'],
])('%j is refused before anything is read', async (args, sentence) => {
  const before = fixture.proxy.requests.length;
  const app = fixture.spawn(args);
  expect(await app.ended).toBe(1);
  expect(app.output()).toContain(sentence);
  expect(requestsSince(before)).toEqual([]);
});

test('as a process: the result on standard output, exit codes as documented', async () => {
  const ran = fixture.spawn(['query', 'select count(*) as n from events', '--from', '2026-07-01']);
  const help = fixture.spawn(['--help']);
  expect(await ran.ended).toBe(0);
  // A slow machine shows progress first, on standard error.
  expect(ran.output()).toMatch(/(^|\n)n\n-\n5\n$/);
  expect(await help.ended).toBe(0);
  expect(help.output()).toContain('Exit codes: 0 done');
});
