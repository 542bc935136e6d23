import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toLine, toRow } from '@auditbox/core/event/event-columns.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkFile } from '../src/compact/check-file.ts';
import { type DuckDb, openDuckDb } from '../src/duckdb/open-duckdb.ts';
import { createParquetWriter } from '../src/parquet/parquet-writer.ts';

/* A compacted file is compared with its objects, byte by byte. */

const line = (n: number, value: string) =>
  `{"id":"0198c4a0-0000-7000-8000-00000000000${n}","updated_at":"2026-07-03T11:46:5${n}.2Z","changed_by":"ana","changed_by_api_key":"","action":"updated","table_name":"t","object_id":"a\\n\\u0001\\"\\\\b\u2028","before_value":${value},"updated_values":null,"context":null,"recorded_at":"2026-07-03T11:46:50.200000Z","recorded_by":"sql:x"}`;
const lines = [line(1, '{"b":1.0,"a":1e400,"a":100.00,  "s":"\\u00e9"}'), line(2, '"text"'), line(3, '"null"')];

const { signal } = new AbortController();

let folder: string;
let duckdb: DuckDb;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'auditbox-check-file-'));
  duckdb = await openDuckDb({ folder, memoryMb: 256 });
});
afterAll(async () => {
  duckdb.close();
  await rm(folder, { recursive: true });
});

async function writeFile(name: string, written: readonly string[]): Promise<string> {
  const writer = await createParquetWriter(duckdb, folder, signal);
  const file = join(folder, name);
  writer.startObject('o');
  for (const text of written) writer.addLine(Buffer.from(text));
  await writer.write(file);
  await writer.close();
  return file;
}

const covered = (of: readonly string[]) => [
  {
    path: 'o',
    rows: of.length,
    sha256: createHash('sha256')
      .update(of.map((text) => `${text}\n`).join(''))
      .digest('hex'),
    objectSha256: '',
    logIndex: null,
  },
];

test('a row makes its line again, with optional members and without', () => {
  const withAll = `${lines[0]?.slice(0, -1)},"tenant":"acme","redacted":["/before_value/s"]}`;
  for (const text of [...lines, withAll]) expect(toLine(toRow(text))).toBe(text);
});

test('a file with the lines of its objects passes', async () => {
  await checkFile(duckdb, await writeFile('good', lines), covered(lines), signal);
});

test('a check that is stopped ends', async () => {
  const file = await writeFile('stopped', lines);
  const stopped = AbortSignal.abort(new Error('Stopped.'));
  await expect(checkFile(duckdb, file, covered(lines), stopped)).rejects.toThrow('Stopped.');
});

test.each([
  ['another digit', [lines[0]?.replace('100.00', '100.0') ?? '', ...lines.slice(1)]],
  ['a missing line', lines.slice(1)],
  ['a line more', [...lines, line(4, 'null')]],
  ['another order of keys', [lines[0]?.replace('"b":1.0,"a":1e400', '"a":1e400,"b":1.0') ?? '', ...lines.slice(1)]],
])('a file with %s is refused', async (name, written) => {
  const file = await writeFile(name, written);
  await expect(checkFile(duckdb, file, covered(lines), signal)).rejects.toThrow(/does not hold the lines of o/);
});

test('a file with an object that nobody asked for is refused, and one without an object', async () => {
  const file = await writeFile('other', lines);
  await expect(checkFile(duckdb, file, [], signal)).rejects.toThrow(/does not hold/);
  await expect(
    checkFile(duckdb, file, [...covered(lines), { ...covered(lines)[0], path: 'p' } as never], signal),
  ).rejects.toThrow(/lines of p/);
});
