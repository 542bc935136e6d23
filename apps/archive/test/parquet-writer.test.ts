import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkFile } from '../src/compact/check-file.ts';
import { type DuckDb, openDuckDb, parquetTable } from '../src/duckdb/open-duckdb.ts';
import { createParquetWriter } from '../src/parquet/parquet-writer.ts';

/* Lines become a file of Parquet that holds each byte of them. */

const memoryMb = 96;

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
  const writer = await createParquetWriter(duckdb, folder);
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
  await checkFile(duckdb, file, covered);
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

test('each character, and each text that is JSON itself, comes back', async () => {
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
    '[]',
    '12345678901234567890.10',
    'true',
  ];
  const lines = [...actors.map((actor) => ({ actor })), ...values.map((value) => ({ value }))];
  const ids = await write('texts', { o: lines.map((line, n) => ({ ...line, n, time: '50' })) });
  expect(ids).toHaveLength(lines.length);
});

test('a line of many megabytes is written', async () => {
  const value = JSON.stringify('€'.repeat(7_000_000));
  expect(await write('long', { o: [{ n: 1, time: '50', value }] })).toHaveLength(1);
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
