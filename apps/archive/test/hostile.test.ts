import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fillDisk, mountSmallDisk } from '@auditbox/testing/servers/small-disk.ts';
import { endApps } from '@auditbox/testing/servers/spawn-app.ts';
import { openTestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { CopyObjectCommand, DeleteObjectCommand, GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type ArchiveFixture, createArchiveFixture } from './archive-fixture.ts';

/* Objects that were copied or vanish, large values, folders with odd names, a full disk, and many runs at once. */

const day = '2026-07-03';
const at = (hour: number, second = 0) => `${day}T${hour}:00:${String(second).padStart(2, '0')}Z`;

let fixture: ArchiveFixture;
let folder: string;
beforeAll(async () => {
  fixture = await createArchiveFixture();
  folder = await mkdtemp(join(tmpdir(), 'auditbox-hostile-'));
  for (let n = 0; n < 8; n += 1) {
    await fixture.insert([{ id: randomUUID(), at: at(11, n), tenant: n % 2 === 0 ? 'acme' : '' }]);
    await fixture.drain();
  }
});
afterEach(async () => {
  fixture.proxy.intervene = {};
  await endApps();
});
afterAll(async () => {
  await fixture.close();
  await rm(folder, { recursive: true });
});

const range = ['--from', day, '--to', day];
const keys = async () => (await fixture.bucket.objects()).map(({ key }) => key);

/** Runs with a copy of an object in the bucket. */
async function withCopy(from: string, to: string, work: () => Promise<void>): Promise<void> {
  const { client, name: Bucket } = fixture.bucket;
  await client.send(new CopyObjectCommand({ Bucket, Key: to, CopySource: `${Bucket}/${encodeURIComponent(from)}` }));
  try {
    await work();
  } finally {
    await client.send(new DeleteObjectCommand({ Bucket, Key: to }));
  }
}

async function restoreFails(key: string): Promise<void> {
  const into = await openTestDatabase();
  try {
    const ran = await fixture.archive(['restore', '--into', into.url]);
    expect(ran).toMatchObject({ exitCode: 3, said: expect.stringContaining(key) });
  } finally {
    await into.close(1_000);
  }
}

test.each([
  ['in the folder of another hour', (key: string) => key.replace('hour=11', 'hour=12')],
  ['in the folder of another day', (key: string) => key.replace('dt=2026-07-03', 'dt=2026-07-05')],
  ['with the time of another event', (key: string) => key.replace('/110000_', '/115959_')],
  ['under the number of another batch', (key: string) => key.replace(/_\d{12}_/, '_000000009999_')],
])('an object that was copied, %s, is named by each command, and no event is counted twice', async (_name, change) => {
  const [original = ''] = await keys();
  const copy = change(original);
  await withCopy(original, copy, async () => {
    for (const command of [['query', 'select count(*) from events'], ['find'], ['get', randomUUID()]])
      expect(await fixture.archive(command)).toMatchObject({ exitCode: 3, said: expect.stringContaining(copy) });
    await restoreFails(copy);
  });
  expect((await fixture.archive(['find', ...range])).exitCode).toBe(0);
});

test('objects that lie deeper, or have other names, are not those of an exporter', async () => {
  const [original = ''] = await keys();
  const name = original.slice('audit_logs/'.length);
  for (const copy of [
    `audit_logs/audit_logs/${name}`,
    `audit_logs/dt=${day}/copy/${name}`,
    `${original}.bak`,
    `audit_logs/cell=No_Cell/${name}`,
  ])
    await withCopy(original, copy, async () => {
      const { output } = await fixture.archive(['query', 'select count(*)::int as n from events', '--json']);
      expect(JSON.parse(output)).toEqual({ n: 8 });
    });
});

test('an object that vanishes between the listing and the reading is named, and nothing is stored', async () => {
  const gone = (await keys()).at(3) ?? '';
  fixture.proxy.intervene = {
    before: ({ method, path }) =>
      method === 'GET' && decodeURIComponent(path).includes(gone) ? { status: 404, code: 'NoSuchKey' } : undefined,
  };
  const into = await openTestDatabase();
  try {
    for (const command of [
      ['query', 'select 1', ...range],
      ['find', ...range],
      ['get', randomUUID(), ...range],
      ['compact', '--day', day],
      ['restore', '--into', into.url, ...range],
    ])
      expect(await fixture.archive(command, { ARCHIVE_CACHE_DIR: join(folder, 'vanished') })).toMatchObject({
        exitCode: 3,
        said: expect.stringContaining(`${gone} was listed and is missing`),
      });
  } finally {
    await into.close(1_000);
  }
  expect((await listParquet()).length).toBe(0);
});

async function listParquet(): Promise<string[]> {
  const { client, name: Bucket } = fixture.bucket;
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'parquet/' }));
  return Contents.map(({ Key = '' }) => Key);
}

test('a cache in a folder whose name looks like a pattern or a partition changes no answer', async () => {
  for (const name of ['a[b]c*d?', "tenant=other/o'clock", 'id=1/dt=2020-01-01']) {
    const cache = join(folder, name);
    await mkdir(cache, { recursive: true });
    const { exitCode, output, said } = await fixture.archive(
      [
        'query',
        'select tenant, count(distinct id)::int as n from events group by tenant order by 1',
        '--json',
        ...range,
      ],
      { ARCHIVE_CACHE_DIR: cache },
    );
    expect([name, exitCode, said]).toEqual([name, 0, said]);
    expect(output).toBe('{"tenant":"acme","n":4}\n{"tenant":null,"n":4}\n');
  }
});

test('a time is printed in UTC, wherever the command runs', async () => {
  for (const TZ of ['America/St_Johns', 'Asia/Kathmandu', 'UTC']) {
    const app = fixture.spawn(['query', 'select min(occurred_at) as first from events', '--json', ...range], { TZ });
    expect(await app.ended, app.output()).toBe(0);
    expect(app.output()).toContain(`{"first":"${day} 11:00:00+00"}`);
  }
});

test('many runs of compact at once cover each object once, and a query counts each event once', async () => {
  const cache = { ARCHIVE_CACHE_DIR: join(folder, 'tenant=[x]') };
  await mkdir(cache.ARCHIVE_CACHE_DIR);
  await fixture.insert(
    Array.from({ length: 6 }, (_, n) => ({ id: randomUUID(), at: at(12, n), tenant: `t${n}`, before: '{"a":1.0}' })),
  );
  await fixture.drain({ EXPORT_BY_TENANT: 'true' });
  const objects = (await keys()).sort();
  const runs = await Promise.all(
    Array.from({ length: 4 }, () => fixture.archive(['compact', '--day', day, '--json'], cache)),
  );
  expect(runs.map(({ exitCode, said }) => [exitCode, said])).toEqual(runs.map(({ said }) => [0, said]));
  const made = await listParquet();
  const { client, name: Bucket } = fixture.bucket;
  const covered: string[] = [];
  for (const Key of made.filter((key) => /\d{4}\.json$/.test(key))) {
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
    covered.push(
      ...JSON.parse((await Body?.transformToString()) ?? '').objects.map(({ path }: { path: string }) => path),
    );
  }
  expect(covered.map((path) => `audit_logs/${path}`).sort()).toEqual(objects);
  expect(made.filter((key) => key.endsWith('.parquet'))).toHaveLength(7);
  expect(made.filter((key) => key.endsWith('.done.json'))).toHaveLength(7);
  const { output } = await fixture.archive(
    ['query', 'select count(*)::int as n, count(distinct id)::int as ids from events', '--json', ...range],
    cache,
  );
  expect(JSON.parse(output)).toEqual({ n: 14, ids: 14 });
});

describe('events of a megabyte need no more memory than small ones', () => {
  const count = 160;
  const valueBytes = 1_000_000;
  /** All values together have twice as much. */
  const heapMb = 80;
  /** All values together have three times as much. */
  const smallHeapMb = 50;

  let large: ArchiveFixture;
  beforeAll(async () => {
    large = await createArchiveFixture();
    // Compresses well, so that a file covers many of them. Half of them are in each of two hours.
    const before = JSON.stringify({ text: 'x'.repeat(valueBytes) });
    for (let from = 0; from < count; from += 20)
      await large.db.sql`
        insert into auditbox.audit_log (occurred_at, changed_by, action, table_name, object_id, before_value)
        select ${at(11)}::timestamptz + (${from}::int + n) * interval '45 s', 'ana', 'updated', 'teams', n::text,
          ${before}::text::json
        from generate_series(0, 19) n`;
    expect(await (await large.drain()).ended).toBe(0);
  });
  afterAll(() => large.close());

  const limitHeap = (mb: number) => ({ NODE_OPTIONS: `--max-old-space-size=${mb}` });

  /** Runs a command with such a heap, and returns how many lines and bytes it printed. */
  async function measure(command: string, mb: number): Promise<{ lines: number; bytes: number }> {
    const app = large.spawnInShell(
      `NODE_OPTIONS=${limitHeap(mb).NODE_OPTIONS} ${command} | wc -lc; exit \${PIPESTATUS[0]}`,
    );
    expect(await app.ended, app.output().slice(-2_000)).toBe(0);
    const [, lines, bytes] = /^ *(\d+) +(\d+)$/m.exec(app.output()) ?? [];
    return { lines: Number(lines), bytes: Number(bytes) };
  }

  test('in compact and in query', async () => {
    const compacted = large.spawn(['compact', '--day', day], { ...limitHeap(heapMb), ARCHIVE_MEMORY_MB: '1000' });
    expect(await compacted.ended, compacted.output().slice(-2_000)).toBe(0);
    for (const format of ['--json', '--csv']) {
      const { bytes } = await measure(`archive query 'select * from events' ${format}`, heapMb);
      expect(bytes).toBeGreaterThan(count * valueBytes);
    }
  });

  test('in find, get and restore', async () => {
    const found = await measure('archive find --actor ana --json', smallHeapMb);
    expect(found.lines).toBe(count);
    expect(found.bytes).toBeGreaterThan(count * valueBytes);
    // The last event, so that every object is read.
    const [{ id }] = await large.db.sql<[{ id: string }]>`
      select id from auditbox.audit_log order by occurred_at desc limit 1`;
    const got = await measure(`archive get ${id}`, smallHeapMb);
    expect(got.lines).toBe(1);
    expect(got.bytes).toBeGreaterThan(valueBytes);
    const into = await openTestDatabase();
    try {
      // It holds an object, which is restored whole.
      const args = ['restore', '--from', at(11), '--to', at(14), '--into', into.url, '--json'];
      const restored = large.spawn(args, limitHeap(heapMb));
      expect(await restored.ended, restored.output().slice(-2_000)).toBe(0);
      expect(restored.output()).toContain(`"inserted":${count},"present":0`);
    } finally {
      await into.close(1_000);
    }
  });
});

test('get gives a slow reader a large event to its end', async () => {
  const slow = await createArchiveFixture();
  try {
    const id = randomUUID();
    await slow.insert([{ id, at: at(11), before: JSON.stringify({ text: `begin${'x'.repeat(900_000)}end` }) }]);
    expect(await (await slow.drain()).ended).toBe(0);
    const app = slow.spawnInShell(`archive get ${id} | {
      IFS= read -r line; case $line in *begin*xend*) echo "length: \${#line}";; esac
    }; exit \${PIPESTATUS[0]}`);
    expect(await app.ended, app.output()).toBe(0);
    expect(app.output()).toMatch(/^length: 9\d{5}$/m);
  } finally {
    await endApps();
    await slow.close();
  }
});

test.each(['find --json', "query 'select * from events' --json", "query 'select * from events'"])(
  '%s gives a slow reader every line, and its exit code is that of a whole answer',
  async (command) => {
    const slow = await createArchiveFixture();
    try {
      // Much more than a pipe takes.
      await slow.db.sql`
        insert into auditbox.audit_log (occurred_at, changed_by, action, table_name, object_id, before_value)
        select ${at(11)}::timestamptz + n * interval '1 ms', 'ana', 'updated', 'teams', n::text,
          json_build_object('text', repeat('x', 1000))
        from generate_series(1, 1000) n`;
      expect(await (await slow.drain()).ended).toBe(0);
      // The shell reads a pipe byte by byte.
      const app = slow.spawnInShell(`archive ${command} | {
        n=0; while IFS= read -r line; do case $line in *xxx*) n=$((n + 1));; esac; done; echo "lines: $n"
      }; exit \${PIPESTATUS[0]}`);
      expect(await app.ended, app.output()).toBe(0);
      expect(app.output()).toContain('lines: 1000\n');
    } finally {
      await endApps();
      await slow.close();
    }
  },
);

test('a full disk ends a query and a compaction with one sentence, and leaves nothing that a later query would use', async () => {
  const disk = await mountSmallDisk();
  if (disk === null) return console.warn('Mounting is not allowed, so a full disk is not tested.');
  try {
    const settings = { ARCHIVE_CACHE_DIR: disk.folder };
    const count = ['query', 'select count(*)::int as n from events', '--json', '--no-parquet', ...range];
    // No file covers this day.
    const other = '2026-07-09';
    await fixture.insert([{ id: randomUUID(), at: `${other}T11:00:00Z` }]);
    await fixture.drain();
    const free = await fillDisk(disk.folder);
    for (const command of [count, count.filter((one) => one !== '--no-parquet'), ['compact', '--day', other]]) {
      const app = fixture.spawn(command, settings);
      expect(await app.ended, app.output()).toBe(1);
      expect(app.output()).toMatch(/The disk of the cache is full/);
      expect(app.output()).not.toMatch(/\n\s+at /);
    }
    await free();
    expect(await readdir(disk.folder)).toEqual([]);
    const app = fixture.spawn(count, settings);
    expect(await app.ended, app.output()).toBe(0);
    expect(app.output()).toContain('{"n":14}');
  } finally {
    await disk.remove();
  }
});

test('a compacted file that is gone is named with exit code 3, and the objects still answer', async () => {
  const gone = (await listParquet()).find((key) => key.endsWith('.parquet')) ?? '';
  await fixture.bucket.client.send(new DeleteObjectCommand({ Bucket: fixture.bucket.name, Key: gone }));
  const cache = { ARCHIVE_CACHE_DIR: join(folder, 'gone') };
  const count = ['query', 'select count(*)::int as n from events', '--json', ...range];
  expect(await fixture.archive(count, cache)).toMatchObject({
    exitCode: 3,
    said: expect.stringMatching(new RegExp(`${gone} is missing.*--no-parquet`)),
  });
  expect(JSON.parse((await fixture.archive([...count, '--no-parquet'], cache)).output)).toEqual({ n: 14 });
});
