import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { type App, endApps } from '@auditbox/testing/servers/spawn-app.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { thisHost } from '../src/cache/run-folder.ts';
import { type ArchiveFixture, createArchiveFixture } from './archive-fixture.ts';

/* Commands of the archive that are stopped, and whose output nobody reads to its end. */

let fixture: ArchiveFixture;
let folder: string;
beforeAll(async () => {
  fixture = await createArchiveFixture();
  folder = await mkdtemp(join(tmpdir(), 'auditbox-interrupted-'));
  await fixture.insert(
    [11, 12, 13].map((hour) => ({ id: randomUUID(), at: `2026-07-03T${hour}:00:00Z`, object: `${hour}` })),
  );
  await fixture.drain();
});
afterEach(async () => {
  fixture.proxy.intervene = {};
  await endApps();
});
afterAll(async () => {
  await fixture.close();
  await rm(folder, { recursive: true });
});

const range = '--from 2026-07-01 --to 2026-07-31';

/** Exit code 1 and one sentence, and no folder of the process is left in the cache. */
async function expectStopped(app: App, name: NodeJS.Signals): Promise<void> {
  expect([await app.ended, app.output()]).toEqual([1, expect.stringContaining(`Stopped by ${name}.`)]);
  expect(app.output()).not.toMatch(/\n\s+at /);
  expect((await readdir(fixture.cache)).filter((entry) => entry.startsWith('run-'))).toEqual([]);
}

/** Waits until a statement of the command waits for a lock. */
async function untilItWaits(): Promise<void> {
  await eventually(async () => {
    const [row] = await fixture.db.sql<[{ waiting: number }]>`
      select count(*)::int as waiting from pg_stat_activity
      where datname = current_database() and application_name = 'auditbox archive' and wait_event_type = 'Lock'`;
    expect(row.waiting).toBe(1);
  });
}

test.each(['SIGINT', 'SIGTERM'] as const)('a shell that waits for its next statement ends at a %s', async (name) => {
  const fifo = join(folder, name);
  // The command's input never ends, because the script's process holds it open.
  const app = fixture.spawnInShell(`mkfifo '${fifo}'; exec 3<>'${fifo}'; echo 'select 42 as n;' >&3
    exec archive shell ${range} --json <&3`);
  await eventually(() => expect(app.output()).toContain('{"n":42}'));
  app.signal(name);
  await expectStopped(app, name);
});

test('a statement of a query, and one of a shell, are ended by a SIGINT', async () => {
  const endless = 'select sum(a.range * b.range) from range(100000000) a, range(100000000) b;';
  for (const command of [`query "$SQL" ${range} --csv`, `shell ${range} --csv`]) {
    const fifo = join(folder, command.slice(0, 5));
    const app = fixture.spawnInShell(`mkfifo '${fifo}'; exec 3<>'${fifo}'; SQL='${endless}'; echo "$SQL" >&3
      exec archive ${command} <&3`);
    // The files of the range are in the process's folder when the statement begins.
    await eventually(async () => {
      const [own = ''] = (await readdir(fixture.cache)).filter((entry) =>
        entry.startsWith(`run-${thisHost()}-${app.pid}-`),
      );
      const files = own === '' ? [] : await readdir(join(fixture.cache, own));
      expect(files.filter((file) => file.endsWith('.parquet'))).toHaveLength(3);
    });
    app.signal('SIGINT');
    await expectStopped(app, 'SIGINT');
  }
});

test.each([
  ['get', [randomUUID()]],
  ['find', ['--actor', 'ana']],
  ['query', ['select 1']],
  ['compact', ['--day', '2026-07-03']],
] as const)('%s ends at a SIGINT while the store is silent, and stores nothing', async (command, args) => {
  const { promise: asked, resolve: report } = Promise.withResolvers<void>();
  fixture.proxy.intervene = {
    before({ path }) {
      if (!path.includes('.ndjson')) return undefined;
      report();
      return 'silence';
    },
  };
  const times = command === 'compact' ? [] : range.split(' ');
  const settings = { ARCHIVE_CACHE_DIR: join(folder, `cache-of-${command}`) };
  const app = fixture.spawn([command, ...args, ...times], settings);
  await asked;
  app.signal('SIGINT');
  await expectStopped(app, 'SIGINT');
  expect(fixture.proxy.requests.filter(({ method, path }) => method === 'PUT' && path.includes('parquet'))).toEqual([]);
});

test('Ctrl-C counts once, although npm forwards it, and the command is not killed in the middle of its end', async () => {
  const { promise: asked, resolve: report } = Promise.withResolvers<void>();
  fixture.proxy.intervene = {
    before({ path }) {
      if (!path.includes('.ndjson')) return undefined;
      report();
      return 'silence';
    },
  };
  const app = fixture.spawn(['find', ...range.split(' ')]);
  await asked;
  app.signal('SIGINT');
  app.signal('SIGINT');
  await expectStopped(app, 'SIGINT');
});

test('a command that waits for Postgres ends at a SIGINT, too', async () => {
  const args = ['hours', '--from', '2026-07-03', '--to', '2026-07-03'];
  await fixture.db.sql.begin(async (tx) => {
    await tx`lock table auditbox.batch in access exclusive mode`;
    const app = fixture.spawn(args, { DATABASE_URL: urlAs('exporter', fixture.db.url) });
    await untilItWaits();
    app.signal('SIGINT');
    await expectStopped(app, 'SIGINT');
  });
});

test('a restore that is stopped has brought back whole objects or none, and the next one brings back the others', async () => {
  const { sql } = fixture.db;
  const ids = () => sql<{ id: string }[]>`select id::text from auditbox.audit_log order by id`;
  const all = await ids();
  await sql`drop table auditbox.audit_log_2026_07`;
  await sql`delete from auditbox.outbox where occurred_at >= '2026-07-01' and occurred_at < '2026-08-01'`;
  const restore = ['restore', ...range.split(' '), '--into', fixture.db.url, '--json'];
  let seen = 0;
  const { promise: asked, resolve: report } = Promise.withResolvers<void>();
  fixture.proxy.intervene = {
    before({ path }) {
      if (!path.includes('.ndjson')) return undefined;
      seen += 1;
      if (seen === 1) return undefined;
      report();
      return 'silence';
    },
  };
  const app = fixture.spawn(restore);
  await asked;
  app.signal('SIGTERM');
  await expectStopped(app, 'SIGTERM');
  expect(await ids()).toHaveLength(1);
  fixture.proxy.intervene = {};
  const again = fixture.spawn(restore);
  expect(await again.ended, again.output()).toBe(0);
  expect(again.output()).toContain('"inserted":2,"present":1');
  expect(await ids()).toEqual(all);
});

test.each(['find --json', 'find', "query 'select * from events' --csv", 'shell'])(
  '`%s | head` ends with exit code 0 and without a word when its reader has enough',
  async (command) => {
    const app =
      fixture.spawnInShell(`exec 4> >(:); wait $!; echo 'select 1;' | archive ${command} ${range} >&4 2>'${folder}/said'
      exit \${PIPESTATUS[1]}`);
    expect(await app.ended, app.output()).toBe(0);
    expect(await readFile(join(folder, 'said'), 'utf8')).not.toMatch(/EPIPE|\n\s+at /);
  },
);

test('a command goes on when nobody reads its progress', async () => {
  const output = join(folder, 'rows');
  const app = fixture.spawnInShell(`exec 4> >(:); wait $!
    printf 'select 1 as n;\nselect 2 as n;\n' | archive shell ${range} --json 2>&4 >'${output}'
    exit \${PIPESTATUS[1]}`);
  expect(await app.ended, app.output()).toBe(0);
  expect(await readFile(output, 'utf8')).toBe('{"n":1}\n{"n":2}\n');
});

test.each(['query', 'shell', 'get', 'find', 'restore', 'compact', 'hours', 'erase'])(
  '`%s --help` shows the options and the exit codes, on standard output',
  async (command) => {
    const app = fixture.spawnInShell(`archive ${command} --help 2>/dev/null`);
    expect(await app.ended).toBe(0);
    expect(app.output()).toContain(`npm run archive -- ${command}`);
    expect(app.output()).toContain('Exit codes: 0 done');
  },
);
