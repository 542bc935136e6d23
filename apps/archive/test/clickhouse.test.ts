import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { endApps } from '@auditbox/testing/servers/spawn-app.ts';
import { GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ArchiveFixture, createArchiveFixture } from './archive-fixture.ts';

/*
 * A second engine reads an archive of the exporter: ClickHouse, by its library chDB. It is no dependency, because it has 546 MB.
 * TEST_CHDB is a folder in which `npm install chdb` was run.
 */

const chdb = process.env.TEST_CHDB ?? '';
if (chdb === '') console.warn('TEST_CHDB is not set, so NO STATEMENT IS TESTED ON CLICKHOUSE here.');

const day = '2026-07-03';
/** Digits, order of keys, keys that are there twice, blanks and escapes. */
const odd = String.raw`{"b":1.0,"a":10000000000000000000000000001,"b":2,  "s":"\u00e9","g":100.00,"e":1e400,"n":{"x":[ ]}}`;

describe.skipIf(chdb === '')('ClickHouse', () => {
  let fixture: ArchiveFixture;
  let copy: string;
  beforeAll(async () => {
    fixture = await createArchiveFixture();
    await fixture.insert([
      { id: randomUUID(), at: `${day}T11:46:50.2Z`, digits: 1, before: odd },
      { id: randomUUID(), at: `${day}T11:50:00Z`, digits: 0, object: 'line\nbreak\u0001', updated: '"text"' },
      { id: randomUUID(), at: `${day}T11:55:00.123456Z`, actor: 'zoë "𝒳"', action: 'deleted', updated: '12.50' },
      { id: randomUUID(), at: `${day}T23:00:00Z`, actor: 'bob', tenant: 'acme', before: '[1, null, "a"]' },
      { id: randomUUID(), at: '2026-07-04T00:00:00Z', actor: 'bob', updated: '{"n": null}' },
    ]);
    await fixture.drain();
    for (const each of [day, '2026-07-04'])
      expect(await fixture.archive(['compact', '--day', each])).toMatchObject({ exitCode: 0 });
    copy = join(fixture.cache, 'copy');
    const { client, name: Bucket } = fixture.bucket;
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }));
    for (const { Key = '' } of Contents) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
      await mkdir(join(copy, dirname(Key)), { recursive: true });
      await writeFile(join(copy, Key), (await Body?.transformToByteArray()) ?? '');
    }
  });
  afterAll(async () => {
    await endApps();
    await fixture.close();
  });

  /** In a separate process, because two libraries of databases would share one. */
  async function ask(statement: string): Promise<Record<string, string | null>[]> {
    const library = createRequire(join(chdb, 'package.json')).resolve('chdb');
    const program = `const [library, sql] = process.argv.slice(1);
      process.stdout.write(require(library).query(sql, 'JSONEachRow'));`;
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', program, library, statement], {
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
  }

  /** What DuckDB answers, with the text of the values. */
  async function askDuckDb(sql: string, ...more: string[]): Promise<Record<string, string | null>[]> {
    const { exitCode, output, said } = await fixture.archive(['query', sql, '--json', ...more]);
    expect(exitCode, said).toBe(0);
    return output
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  }

  /** The statements of the documents, over the copy. */
  async function readStatements(): Promise<string[]> {
    const page = await readFile(new URL('../../../docs/archive.md', import.meta.url), 'utf8');
    const [, block = ''] = /### ClickHouse\n.*?```sql excerpt\n(.*?)```/s.exec(page) ?? [];
    return block.replaceAll("s3('https://BUCKET.s3.REGION.amazonaws.com/", `file('${copy}/`).split(/;\n/).slice(0, -1);
  }

  test('the statements of docs/archive.md answer as DuckDB does', async () => {
    const [counted = '', found = ''] = await readStatements();
    const counts = await ask(
      counted.replace('count()', 'toString(count()) as n').replace(' settings', ' order by action settings'),
    );
    const hour = ['--from', `${day}T11:00:00Z`, '--to', `${day}T11:59:59.999999Z`];
    expect(counts).toEqual(
      await askDuckDb('select action, count(*)::varchar as n from events group by action order by action', ...hour),
    );
    expect(counts).toHaveLength(2);
    const rows = await ask(found.replace(' settings', ' order by occurred_at settings'));
    expect(rows).toEqual(
      await askDuckDb(
        `select changed_by, before_value from events where object_id = '42' order by occurred_at`,
        '--from',
        day,
        '--to',
        day,
      ),
    );
    expect(rows[0]?.before_value).toBe(odd);
  });

  const names = [
    'id',
    'updated_at',
    'changed_by',
    'changed_by_api_key',
    'action',
    'table_name',
    'object_id',
    'before_value',
    'updated_values',
    'context',
    'recorded_at',
    'recorded_by',
    'tenant',
    'redacted',
  ];

  test('each row of the files of Parquet is the same, byte by byte', async () => {
    const rows =
      await ask(`select ${names.join()}, toString(toUnixTimestamp64Micro(occurred_at)) as occurred_at, object, toString(line) as line
      from file('${copy}/parquet/audit_logs/dt=*/*.parquet', 'Parquet') order by id`);
    const expected = await askDuckDb(
      `select ${names.join()}, epoch_us(occurred_at)::varchar as occurred_at, object, line::varchar as line from events order by id`,
    );
    expect(rows).toEqual(expected);
    expect(rows).toHaveLength(5);
  });

  test('each line of the objects is the same, byte by byte, except that a JSON string has no quotes', async () => {
    const types = names.map((name) => `${name} Nullable(String)`).join();
    const rows = await ask(
      `select ${names.join()} from file('${copy}/audit_logs/dt=*/hour=*/*.ndjson.gz', 'JSONEachRow', '${types}') order by id`,
    );
    const expected = await askDuckDb(`select ${names.join()} from events order by id`, '--no-parquet');
    // A column of texts has what is in the quotes of a JSON string. docs/archive.md says so.
    const values = ['before_value', 'updated_values', 'context', 'redacted'];
    const unquote = (name: string, text: string | null) =>
      values.includes(name) && text?.startsWith('"') ? JSON.parse(text) : text;
    expect(rows).toEqual(
      expected.map((row) => Object.fromEntries(Object.entries(row).map(([name, text]) => [name, unquote(name, text)]))),
    );
    expect(rows.map(({ updated_values }) => updated_values)).toContain('text');
    expect(rows).toHaveLength(5);
  });
});
