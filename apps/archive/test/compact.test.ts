import { createHash, generateKeyPairSync, randomUUID } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseBatchEntry } from '@auditbox/evidence/batch-entry.ts';
import { decodeBundle } from '@auditbox/evidence/tiles.ts';
import { endApps } from '@auditbox/testing/servers/spawn-app.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { writeFile as writeParquet } from '../src/compact/write-file.ts';
import { openDuckDb } from '../src/duckdb/open-duckdb.ts';
import { createParquetWriter } from '../src/parquet/parquet-writer.ts';
import { type ArchiveFixture, createArchiveFixture } from './archive-fixture.ts';

/* `archive -- compact`: files of Parquet that hold each event once, next to the evidence. */

const day = '2026-07-03';
const odd = String.raw`{"b":1.0,"a":10000000000000000000000000001,"b":2,  "s":"\u00e9","g":100.00,"e":1e400}`;

let fixture: ArchiveFixture;
let archived: Awaited<ReturnType<ArchiveFixture['bucket']['objects']>>;
beforeAll(async () => {
  fixture = await createArchiveFixture();
  await fixture.insert([
    { id: randomUUID(), at: `${day}T11:46:50.2Z`, digits: 1, before: odd },
    { id: randomUUID(), at: `${day}T11:50:00Z`, digits: 0, object: 'line\nbreak\u0001', updated: '"text"' },
    { id: randomUUID(), at: `${day}T23:00:00Z`, actor: 'bob', tenant: 'acme' },
  ]);
  await fixture.drain();
  archived = await fixture.bucket.objects();
});
afterEach(() => {
  fixture.proxy.intervene = {};
  return endApps();
});
afterAll(() => fixture.close());

async function compact(...more: string[]) {
  const { exitCode, output, said } = await fixture.archive(['compact', '--day', day, '--json', ...more]);
  return exitCode === 0 ? JSON.parse(output).files : { exitCode, said };
}

async function listKeys(): Promise<string[]> {
  const { client, name: Bucket } = fixture.bucket;
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }));
  return Contents.map(({ Key = '' }) => Key);
}

const listParquet = async () => (await listKeys()).filter((key) => key.startsWith('parquet/'));

async function read(key: string): Promise<Buffer> {
  const { Body } = await fixture.bucket.client.send(new GetObjectCommand({ Bucket: fixture.bucket.name, Key: key }));
  return Buffer.from((await Body?.transformToByteArray()) ?? '');
}

const readJson = async (key: string) => JSON.parse((await read(key)).toString());

/** The paths of the objects in the log, in its order. */
async function readLog(): Promise<string[]> {
  const widthOf = (key: string) => Number(/_log\/tile\/entries\/000\.p\/(\d+)$/.exec(key)?.[1] ?? 0);
  const newest = (await listKeys()).toSorted((a, b) => widthOf(a) - widthOf(b)).at(-1) ?? '';
  return (decodeBundle(await read(newest)) ?? []).map((entry) => parseBatchEntry(entry.toString())?.key ?? '');
}

const lines = async (...more: string[]) =>
  (await fixture.archive(['query', 'select * exclude (line) from events order by object, line', '--json', ...more]))
    .output;

test('a day that is not over for as long as asked is refused', async () => {
  const today = new Date().toISOString().slice(0, 10);
  const { exitCode } = await fixture.archive(['compact', '--day', today, '--closed-after', '0']);
  expect(exitCode).toBe(4);
});

test('a store that refuses each condition, and one that hides a manifest, end the run with a sentence', async () => {
  fixture.proxy.intervene = {
    before: ({ method }) => (method === 'PUT' ? { status: 412, code: 'PreconditionFailed' } : undefined),
  };
  expect(await compact()).toMatchObject({
    exitCode: 1,
    said: expect.stringMatching(/0001\.json cannot be stored\. .*If-None-Match/),
  });
  fixture.proxy.intervene = {
    before: ({ method, path }) => {
      const isManifest = path.includes('_manifests') && !path.includes('list-type');
      if (method === 'PUT' && isManifest) return { status: 412, code: 'PreconditionFailed' };
      return method === 'HEAD' && isManifest ? { status: 200, code: '' } : undefined;
    },
  };
  expect(await compact()).toMatchObject({
    exitCode: 1,
    said: expect.stringContaining('0001.json exists and is not listed'),
  });
  expect(await listParquet()).toEqual([]);
});

test('a run that dies after the manifest is finished by the next one', async () => {
  fixture.proxy.intervene = {
    before: ({ method, path }) =>
      method === 'PUT' && path.includes('.parquet') ? { status: 403, code: 'AccessDenied' } : undefined,
  };
  expect(await compact()).toMatchObject({ exitCode: 1, said: expect.stringContaining('s3:PutObject') });
  expect(await listParquet()).toEqual([`parquet/audit_logs/_manifests/dt=${day}/0001.json`]);
  // A query reads the objects until the file is finished.
  expect((await lines()).split('\n')).toHaveLength(4);
  fixture.proxy.intervene = {};
  expect(await compact()).toEqual([
    expect.stringMatching(/^parquet\/audit_logs\/dt=2026-07-03\/0001_[0-9a-f]{12}\.parquet$/),
  ]);
});

test('a manifest names the objects with their hashes, and the log is theirs', async () => {
  const manifest = await readJson(`parquet/audit_logs/_manifests/dt=${day}/0001.json`);
  expect(manifest).toMatchObject({ format: 'auditbox-parquet v1', day, number: 1, rows: 3 });
  expect(manifest.objects).toEqual(
    archived.map(({ key, metadata }) => ({
      path: key.slice('audit_logs/'.length),
      rows: Number(metadata.rows),
      sha256: metadata.sha256,
      objectSha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      logIndex: null,
    })),
  );
});

test('a query reads the file, and answers as from the objects', async () => {
  const fromObjects = await lines('--no-parquet');
  const before = fixture.proxy.requests.length;
  expect(await lines()).toBe(fromObjects);
  const paths = fixture.proxy.requests.slice(before).map(({ path }) => path);
  expect(paths.some((path) => path.includes('.ndjson'))).toBe(false);
  expect(fromObjects).toContain(JSON.stringify(odd));
});

test('late events get another file, and each event is in one file', async () => {
  await fixture.insert([{ id: randomUUID(), at: `${day}T11:55:00Z` }]);
  await fixture.drain();
  // Not compacted yet: from its object, next to the file.
  expect((await lines()).split('\n')).toHaveLength(5);
  // Two runs at once: only one of them may cover the object.
  const made = (await Promise.all([compact(), compact()])).flat();
  expect([...new Set(made)]).toEqual([expect.stringContaining('/0002_')]);
  expect(await compact()).toEqual([]);
  expect((await listParquet()).filter((key) => key.endsWith('.parquet'))).toHaveLength(2);
  const manifests = await Promise.all(
    [1, 2].map((number) => readJson(`parquet/audit_logs/_manifests/dt=${day}/000${number}.json`)),
  );
  const covered = manifests.flatMap(({ objects }) => objects.map(({ path }: { path: string }) => path));
  expect(new Set(covered).size).toBe(covered.length);
  expect(await lines()).toBe(await lines('--no-parquet'));
});

test('a file ends after the object that reaches a limit, and has only the events of its objects', async () => {
  const parts = fixture.parts({ write() {}, say() {} });
  const objects = await Array.fromAsync(parts.archive.list({ from: null, to: null }));
  const folder = join(fixture.cache, 'limits');
  await mkdir(folder);
  const duckdb = await openDuckDb({ folder, memoryMb: 128, threads: 1 });
  const writer = await createParquetWriter(duckdb, folder, parts.signal);
  const tools = { ...parts, duckdb, writer, folder, findLogPlaces: async () => new Map<string, number>() };
  // The first object has two lines.
  const none = { maxRows: Infinity, maxBytes: Infinity, maxGroupBytes: Infinity };
  const sizes = [];
  for (const limits of [null, none, { ...none, maxRows: 2 }, { ...none, maxBytes: 1 }, { ...none, maxGroupBytes: 1 }])
    sizes.push((await writeParquet(tools, objects, limits)).covered.length);
  await writer.close();
  duckdb.close();
  expect(objects.length).toBeGreaterThan(1);
  expect(sizes).toEqual([objects.length, objects.length, 1, 1, 1]);
});

test('no object of the archive was written', () => {
  for (const [path, times] of fixture.proxy.writes)
    if (path.includes('.ndjson') || path.includes('.parquet')) expect(times, path).toBe(1);
});

test('the statements for DuckDB in docs/archive.md and in the README run on a copy of the bucket', async () => {
  const copy = join(fixture.cache, 'copy');
  for (const key of await listKeys()) {
    await mkdir(join(copy, dirname(key)), { recursive: true });
    await writeFile(join(copy, key), await read(key));
  }
  const page = await readFile(new URL('../../../docs/archive.md', import.meta.url), 'utf8');
  const block = /```sql duckdb\n(.*?)```/s.exec(page)?.[1] ?? '';
  const statements = block
    .replaceAll(/'(?=audit_logs\/|parquet\/)/g, `'${copy}/`)
    .split(/;\n/)
    .slice(0, -1);
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  const readme = await readFile(new URL('../../../README.md', import.meta.url), 'utf8');
  const [, shown = ''] = /```sql duckdb\n(.*?);\n```/s.exec(readme) ?? [];
  const counted = await connection.runAndReadAll(shown.replace('s3://my-audit-bucket/', `${copy}/`));
  expect(counted.getRowsJson().length).toBeGreaterThan(1);
  const answers: unknown[] = [];
  for (const statement of statements) answers.push((await connection.runAndReadAll(statement)).getRowsJson());
  expect(answers.slice(2)).toEqual([
    [['updated', '3']],
    [
      ['ana', odd],
      ['ana', null],
      ['bob', null],
    ],
  ]);
});

test('a file that is not what its manifest describes is refused', async () => {
  const { client, name: Bucket } = fixture.bucket;
  const Key = (await listParquet()).find((key) => key.includes('/0002_')) ?? '';
  await client.send(new PutObjectCommand({ Bucket, Key, Body: 'other bytes' }));
  const freshCache = { ARCHIVE_CACHE_DIR: `${fixture.cache}/fresh` };
  expect(await fixture.archive(['query', 'select 1'], freshCache)).toMatchObject({
    exitCode: 3,
    said: expect.stringContaining(Key),
  });
});

test('a manifest that is not one is refused and named, and --no-parquet reads without it', async () => {
  const { client, name: Bucket } = fixture.bucket;
  const Key = `parquet/audit_logs/_manifests/dt=${day}/0009.json`;
  for (const Body of ['{', '[]', '{"format":"auditbox-parquet v1","file":7}']) {
    await client.send(new PutObjectCommand({ Bucket, Key, Body }));
    expect(await fixture.archive(['query', 'select 1'])).toMatchObject({
      exitCode: 3,
      said: expect.stringContaining(Key),
    });
  }
  expect(await fixture.archive(['query', 'select 1', '--no-parquet'])).toMatchObject({ exitCode: 0 });
});

const hashOf = (text: string) => createHash('sha256').update(text).digest('hex');
const idOf = (n: number) => hashOf(`id ${n}`).replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, '$1-$2-4$3-8$4-$5');

test('a file is zstd, sorted by event time and id, with statistics, and Bloom filters on id, object and actor', async () => {
  const other = '2026-07-05';
  const at = (n: number) => `${other}T${String((n * 7) % 24).padStart(2, '0')}:00:00Z`;
  await fixture.insert(
    Array.from({ length: 400 }, (_, n) => ({
      id: idOf(n),
      at: at(n),
      actor: `a${n % 9}`,
      object: hashOf(`${n}`),
    })),
  );
  await fixture.drain();
  const { output } = await fixture.archive(['compact', '--day', other, '--json']);
  const [Key] = JSON.parse(output).files;
  const file = join(fixture.cache, 'one.parquet');
  await writeFile(file, await read(Key));
  const duckdb = await (await DuckDBInstance.create()).connect();
  try {
    const ask = async (sql: string) => (await duckdb.runAndReadAll(sql)).getRowObjectsJson();
    const columns = await ask(`
      select path_in_schema as name, compression, stats_min_value is not null as stats,
        bloom_filter_offset is not null as bloom
      from parquet_metadata('${file}') where path_in_schema in ('id', 'changed_by', 'object_id') order by name`);
    expect(columns).toEqual([
      { name: 'changed_by', compression: 'ZSTD', stats: true, bloom: true },
      { name: 'id', compression: 'ZSTD', stats: true, bloom: true },
      { name: 'object_id', compression: 'ZSTD', stats: true, bloom: true },
    ]);
    const ids = await ask(`select id from '${file}'`);
    expect(ids).toHaveLength(400);
    expect(ids).toEqual(await ask(`select id from '${file}' order by occurred_at, id`));
    const isExcluded = async (column: string, value: unknown) => {
      const probes = await ask(
        `select bloom_filter_excludes as says_no from parquet_bloom_probe('${file}', '${column}', '${value}')`,
      );
      return probes.map(({ says_no }) => says_no);
    };
    expect(await isExcluded('id', idOf(7))).toEqual([false]);
    expect(await isExcluded('object_id', hashOf('7'))).toEqual([false]);
    // A filter takes one of a hundred other values for its own. All values here are fixed, and it knows these two.
    expect(await isExcluded('id', idOf(1000))).toEqual([true]);
    expect(await isExcluded('object_id', hashOf('none'))).toEqual([true]);
  } finally {
    duckdb.closeSync();
  }
});

test('with DATABASE_URL a manifest names the place of each object in the log, and null where it has none yet', async () => {
  const other = '2026-07-06';
  const keyFile = join(fixture.cache, 'log.pem');
  await writeFile(keyFile, generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }));
  const logged = { EXPORT_LOG_ORIGIN: 'log.example/compact', EXPORT_LOG_KEY_FILE: keyFile };
  // The log also gets the older batches, and the hour that is drained first is not the first of the day.
  const drains: [number, Record<string, string>][] = [
    [12, logged],
    [11, logged],
    [13, {}],
  ];
  for (const [hour, settings] of drains) {
    await fixture.insert([{ id: randomUUID(), at: `${other}T${hour}:00:00Z` }]);
    expect(await (await fixture.drain(settings)).ended).toBe(0);
  }
  const settings = { DATABASE_URL: urlAs('exporter', fixture.db.url) };
  expect(await fixture.archive(['compact', '--day', other], settings)).toMatchObject({ exitCode: 0 });
  const { objects } = await readJson(`parquet/audit_logs/_manifests/dt=${other}/0001.json`);
  const log = await readLog();
  const places = objects.map(({ path }: { path: string }) => log.indexOf(path));
  expect(places.map((place: number) => place >= 0)).toEqual([true, true, false]);
  expect(places[0]).toBe(log.length - 1);
  expect(objects.map(({ logIndex }: { logIndex: number | null }) => logIndex)).toEqual([...places.slice(0, 2), null]);
});
