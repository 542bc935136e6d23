import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkFile } from '../src/compact/check-file.ts';
import { type DuckDb, openDuckDb, parquetTable } from '../src/duckdb/open-duckdb.ts';
import { createParquetWriter } from '../src/parquet/parquet-writer.ts';

/* Lines become a file of Parquet that holds each byte of them. */

const memoryMb = 96;
const { signal } = new AbortController();

let root: string;
let folder: string;
let duckdb: DuckDb;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'auditbox-parquet-writer-'));
  // The user chooses the folder, and DuckDB would read a pattern and a column in its name.
  folder = join(root, "tenant=acme [1] *'");
  await mkdir(folder);
  duckdb = await openDuckDb({ folder, memoryMb, threads: 1 });
});
afterAll(async () => {
  duckdb.close();
  await rm(root, { recursive: true });
});

interface Line {
  readonly n: number;
  /** `50.2`: seconds behind 11:46. */
  readonly time: string;
  readonly actor?: string;
  readonly value?: string;
}

const idOf = (n: number) => `0198c4a0-0000-7000-8000-${String(n).padStart(12, '0')}`;
const toText = ({ n, time, actor = 'ana', value = 'null' }: Line) =>
  `{"id":"${idOf(n)}","updated_at":"2026-07-03T11:46:${time}Z","changed_by":${JSON.stringify(actor)},"changed_by_api_key":"","action":"updated","table_name":"t","object_id":"o","before_value":${value},"updated_values":null,"context":null,"recorded_at":"2026-07-03T11:46:50.200000Z","recorded_by":"sql:x"}`;

/** Writes the lines of objects to a file, and compares each byte of it with them. Resolves to the ids in the order of the file. */
async function write(name: string, objects: Readonly<Record<string, Iterable<Line>>>): Promise<string[]> {
  const writer = await createParquetWriter(duckdb, folder, signal);
  const covered = Object.entries(objects).map(([path, lines]) => {
    const hash = createHash('sha256');
    let rows = 0;
    writer.startObject(path);
    for (const line of lines) {
      const text = toText(line);
      writer.addLine(Buffer.from(text));
      hash.update(`${text}\n`);
      rows += 1;
    }
    return { path, rows, sha256: hash.digest('hex'), objectSha256: '', logIndex: null };
  });
  const file = join(folder, name);
  await writer.write(file);
  await writer.close();
  await checkFile(duckdb, file, covered, signal);
  return readIds(file);
}

async function readIds(file: string): Promise<string[]> {
  const connection = await duckdb.connect();
  const rows = await connection.runAndReadAll(`select id from ${parquetTable(file)}`);
  connection.closeSync();
  return rows.getRows().map(([id]) => String(id));
}

test('the lines of several objects stand in the order of event time and id, whatever digits the times have', async () => {
  const ids = await write('order', {
    one: [
      { n: 9, time: '50' },
      { n: 4, time: '50.2' },
      { n: 7, time: '50.20' },
      { n: 1, time: '51' },
    ],
    other: [
      { n: 3, time: '50.000000' },
      { n: 8, time: '50.000001' },
      { n: 5, time: '50.200' },
      { n: 2, time: '50.25' },
    ],
  });
  expect(ids).toEqual([3, 9, 8, 4, 5, 7, 2, 1].map(idOf));
});

test('texts with control characters, quotes and escapes come back, and texts that are JSON themselves', async () => {
  const actors = [
    '',
    'null',
    '"',
    '\\',
    '\\u0041',
    '\u0000\u0001\u001f',
    '\r\n\t',
    '\u2028\ufeff\uffff',
    '😀é',
    '{"a":1.00}',
    "'",
  ];
  const values = [
    '"null"',
    '"\\u0000"',
    '{"b":1.0,"a":1e400,"a":100.00,  "s":"\\u00e9\\ud83d\\ude00"}',
    '{"note":"\\ud800","a\\u0000b":"\\udc00"}',
    '[]',
    '12345678901234567890.10',
    'true',
  ];
  const lines = [...actors.map((actor) => ({ actor })), ...values.map((value) => ({ value }))];
  const ids = await write('texts', { o: lines.map((line, n) => ({ ...line, n, time: '50' })) });
  expect(ids).toHaveLength(lines.length);
});

test.each(['€', 'abc'])('a line of 21 MB of %s is written', async (part) => {
  const value = JSON.stringify(part.repeat(7_000_000));
  expect(await write(`long ${part}`, { o: [{ n: 1, time: '50', value }] })).toHaveLength(1);
});

test('an object without lines is written, and an event that is in two objects is there twice', async () => {
  expect(await write('none', { o: [] })).toEqual([]);
  const line = { n: 1, time: '50' };
  expect(await write('twice', { one: [line], none: [], other: [line] })).toEqual([1, 1].map(idOf));
});

test('a file has only the lines that were added since the last file, or since they were discarded', async () => {
  const writer = await createParquetWriter(duckdb, folder, signal);
  const add = (...lines: Line[]) => {
    writer.startObject('o');
    for (const line of lines) writer.addLine(Buffer.from(toText(line)));
  };
  add({ n: 1, time: '51' }, { n: 2, time: '50' });
  await writer.write(join(folder, 'first'));
  add({ n: 3, time: '50' });
  await writer.discard();
  add({ n: 4, time: '50' });
  await writer.write(join(folder, 'second'));
  await writer.close();
  expect(await readIds(join(folder, 'first'))).toEqual([2, 1].map(idOf));
  expect(await readIds(join(folder, 'second'))).toEqual([idOf(4)]);
});

test.each([
  ['without a time', '{"id":"x"}'],
  ['that is empty', ''],
  ['with a time that no clock shows', toText({ n: 1, time: '99' })],
  ['with a leap second', toText({ n: 1, time: '59' }).replace('11:46:59', '23:59:60')],
  ['with a time that is not in UTC', toText({ n: 1, time: '50' }).replace('50Z', '50+02:00')],
  ['with a date that no calendar has', toText({ n: 1, time: '50' }).replace('07-03', '02-30')],
  ['with a time that is a list', toText({ n: 1, time: '50' }).replace(/"2026[^"]*"/, '["\\n"]')],
  ['with a number for an actor', toText({ n: 1, time: '50' }).replace('"ana"', '7')],
  ['with half of a surrogate pair', toText({ n: 1, time: '50', actor: '\ud800' })],
])('a line %s is not an event', async (_name, text) => {
  const writer = await createParquetWriter(duckdb, folder, signal);
  try {
    writer.addLine(Buffer.from(toText({ n: 2, time: '50' })));
    expect(() => writer.addLine(Buffer.from(text))).toThrow(SyntaxError);
  } finally {
    await writer.close();
  }
});

test('a writer that is stopped while DuckDB writes ends', async () => {
  const stop = new AbortController();
  const writer = await createParquetWriter(duckdb, folder, stop.signal);
  const file = join(folder, 'stopped');
  for (let n = 0; n < 120_000; n += 1) writer.addLine(Buffer.from(toText({ n, time: '50' })));
  let hasEnded = false;
  const writing = writer.write(file).finally(() => {
    hasEnded = true;
  });
  const stopping = (async () => {
    while (!existsSync(file) && !hasEnded) await nextTurn();
    stop.abort();
  })();
  await expect(writing).rejects.toThrow(/interrupt/i);
  await stopping;
  await writer.close();
});

test('lines of twice the memory that DuckDB may use are written', async () => {
  const size = 900;
  const count = Math.ceil((2 * memoryMb * 1024 * 1024) / size);
  function* lines(first: number): Generator<Line> {
    for (let n = first; n < count; n += 2) {
      const value = JSON.stringify(randomBytes(75).toString('hex').repeat(4));
      yield { n, time: `50.${String(n).padStart(6, '0')}`, value };
    }
  }
  const ids = await write('large', { one: lines(0), other: lines(1) });
  expect(ids).toEqual(Array.from({ length: count }, (_, n) => idOf(n)));
});
