import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { addDestination, pauseDestination } from '@auditbox/db/export/destinations.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { createDestinationFixture, type DestinationFixture } from '@auditbox/testing/fixtures/destination-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { type App, spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

/* `npm run destinations` next to a running exporter, to other commands and to retention, and killed in its middle. */

let rig: DestinationFixture;
const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const soc = (options: object = {}) => ({
  ...{ name: 'soc', type: 'webhook', url: rig.receiver.url, secrets: [secret], body: 'ndjson' },
  ...options,
});
const posts = () => rig.receiver.requests.filter(({ method, body }) => method === 'POST' && body !== '');
const idsIn = (body: string) => [...body.matchAll(/"id":"([0-9a-f-]{36})"/g)].map(([, id = '']) => id);
const sentIds = () => posts().flatMap(({ body }) => idsIn(body));

beforeEach(async () => {
  rig = await createDestinationFixture();
});
afterEach(() => rig.close());

function begin(args: readonly string[], settings: Record<string, string>): App {
  return spawnApp('exporter/src/destinations-main.ts', { ...rig.env, LOG_LEVEL: 'fatal', ...settings }, [
    ...args,
    '--json',
  ]);
}

/** Runs a command; its result and exit code. */
async function run(args: readonly string[], entries: readonly object[] = [soc()]) {
  const app = begin(args, await rig.configure(...entries));
  const exitCode = await app.ended;
  return { exitCode, ...JSON.parse(app.output().trim().split('\n').at(-1) ?? '') };
}

/** Stores events, an hour for each, and waits until S3 has them. */
async function storeHours(hours: number, day = '2026-07-03') {
  const events = Array.from({ length: hours }, (_, hour) =>
    someEvents(1, { updated_at: `${day}T${String(hour).padStart(2, '0')}:00:00Z` }),
  ).flat();
  await rig.db.store(events);
  return events.map(({ id }) => id);
}

/** Seals that were running when it was added have ended, so the end of a history need not wait a minute for them. */
const addedLongAgo = () => rig.db.sql`update auditbox.destination set created_at = created_at - interval '1 hour'`;

const settled = (destination: string, batches: number) =>
  eventually(async () => expect(await rig.deliveries(destination)).toEqual(Array(batches).fill('done')));

test('a running exporter adds the history that a backfill asks for, and another one after that', async () => {
  const ids = await storeHours(3);
  expect(await (await rig.drain()).ended).toBe(0);
  const app = await rig.serve([soc()]);
  await app.event('destination-added');
  await addedLongAgo();
  expect(await run(['backfill', 'soc', '--since', '2026-07-03T02:00:00Z'])).toMatchObject({ exitCode: 0, batches: 1 });
  await settled('soc', 1);
  await app.event('history-added');
  expect(await run(['backfill', 'soc', '--since', 'all'])).toMatchObject({ exitCode: 0, batches: 2 });
  await settled('soc', 3);
  expect(sentIds().sort()).toEqual([...ids].sort());
});

test.each(['pause', 'resume', 'replay', 'backfill', 'remove'])(
  '%s of an unknown destination says so, and its dry run too',
  async (kind) => {
    const args = [
      kind,
      'sco',
      ...(kind === 'backfill' ? ['--since', 'all'] : []),
      ...(kind === 'remove' ? ['--yes'] : []),
    ];
    for (const more of [[], ['--dry-run']])
      expect(await run([...args, ...more])).toMatchObject({
        ...{ exitCode: 1, ok: false, problem: expect.stringContaining('There is no destination sco.') },
      });
  },
);

test('the archive has no other history, so a backfill of it is refused and holds no month', async () => {
  expect(await run(['backfill', 's3', '--since', 'all'])).toMatchObject({ exitCode: 1, ok: false });
  expect((await run(['list'])).destinations).toContainEqual(
    expect.objectContaining({ name: 's3', addsHistory: false }),
  );
});

test('pause lets the request that is under way end, and the rows behind it wait until resume', async () => {
  const events = someEvents(6, { updated_at: '2026-07-03T11:00:00Z' });
  await rig.db.store(events);
  const paused = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  rig.receiver.answer = async ({ method }) => {
    if (method === 'POST' && posts().length === 2) {
      begun.resolve();
      await paused.promise;
    }
    return { status: 200 };
  };
  const entry = soc({ body: 'event', since: 'all', timeoutMs: 600_000 });
  await rig.serve([entry]);
  await begun.promise;
  expect(await run(['pause', 'soc'], [entry])).toMatchObject({ exitCode: 0 });
  paused.resolve();
  await eventually(async () => expect(await rig.deliveries('soc')).toEqual(['sealed']));
  expect(posts()).toHaveLength(2);
  expect(await run(['resume', 'soc'], [entry])).toMatchObject({ exitCode: 0 });
  await settled('soc', 1);
  expect(sentIds().sort()).toEqual(events.map(({ id }) => id).sort());
});

test('a removal that was killed goes on when it is repeated', async () => {
  await addDestination(rig.db, 'soc');
  await storeHours(3);
  expect(await (await rig.drain()).ended).toBe(0);
  expect(await rig.deliveries('soc')).toHaveLength(3);
  await rig.db.sql.begin(async (sql) => {
    await sql`select from auditbox.delivery where destination = 'soc' for update`;
    const removal = begin(['remove', 'soc', '--yes'], await rig.configure());
    await eventually(async () =>
      expect(await rig.db.sql`select from auditbox.destination where name = 'soc'`).toHaveLength(0),
    );
    removal.signal('SIGKILL');
    expect(await removal.ended).toBe('SIGKILL');
    // The statement that it sent is ended too, or it would remove a part.
    await sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name = 'auditbox destinations'`;
  });
  expect(await rig.deliveries('soc')).toHaveLength(3);
  expect(await run(['remove', 'soc', '--yes'], [])).toMatchObject({ exitCode: 0, rows: 3 });
  expect(await rig.deliveries('soc')).toEqual([]);
  expect(await run(['remove', 'soc', '--yes'], [])).toMatchObject({ exitCode: 1 });
});

test('a replay leaves out what retention has removed, and nothing of it waits for ever', async () => {
  const [old] = someEvents(1, { updated_at: '2020-05-15T00:00:00Z' });
  const [recent] = someEvents(1, { updated_at: '2026-07-03T00:00:00Z' });
  await rig.db.store([old, recent].flatMap((event) => event ?? []));
  await addDestination(rig.db, 'soc');
  const app = await rig.serve([soc()]);
  await settled('soc', 2);
  await settled('s3', 2);
  const retention = rig.start(['--retention', '--json'], { AUDIT_RETENTION_DAYS: '365' });
  expect(await retention.ended, retention.output()).toBe(0);
  expect(await run(['replay', 'soc', '--all', '--dry-run'])).toMatchObject({ sentBatches: 1, sentRows: 1 });
  expect(await run(['replay', 'soc', '--all'])).toMatchObject({ exitCode: 0, sentBatches: 1, sentRows: 1 });
  await eventually(() => expect(posts()).toHaveLength(3));
  await settled('soc', 2);
  expect(app.log.map(({ event }) => event)).not.toContain('encoding-retried');
});

test('a destination that is paused over the end of retention keeps its month until it has everything', async () => {
  const app = await rig.serve([soc()]);
  await app.event('destination-added');
  await run(['pause', 'soc']);
  const old = someEvents(2, { updated_at: '2020-05-15T00:00:00Z' });
  await rig.db.store(old);
  await settled('s3', 1);
  const retain = async () => rig.start(['--retention', '--json'], { AUDIT_RETENTION_DAYS: '365' }).ended;
  expect(await retain()).toBe(2);
  expect(posts()).toHaveLength(0);
  await run(['resume', 'soc']);
  await settled('soc', 1);
  expect(sentIds().sort()).toEqual(old.map(({ id }) => id).sort());
  expect(await retain()).toBe(0);
});

test('a replay has the same keys and bytes after fields, filters and format were changed', async () => {
  await rig.db.store(someEvents(3, { updated_at: '2026-07-03T11:00:00Z' }));
  const app = await rig.serve([soc({ since: 'all' })]);
  await settled('soc', 1);
  app.signal('SIGTERM');
  await app.ended;
  await rig.serve([
    soc({ fields: [], format: 'ocsf', only: { action: ['nothing'] }, except: { action: ['updated'] } }),
  ]);
  expect(await run(['replay', 'soc', '--all'])).toMatchObject({ exitCode: 0, sentRows: 3 });
  await eventually(() => expect(posts()).toHaveLength(2));
  const [first, again] = posts();
  expect(again).toMatchObject({ body: first?.body, headers: { 'webhook-id': first?.headers['webhook-id'] } });
});

test('an event that was too large is sent by a replay once the limit is higher', async () => {
  const [small, large] = [someEvents(1)[0], anEvent({ updated_values: 'x'.repeat(5_000) })];
  await rig.db.store([small, large].flatMap((event) => event ?? []));
  const file = join(rig.folder, 'limited.mjs');
  await writeFile(
    file,
    `export default ({ url, maxRowBytes }) => ({
      limits: { maxRows: 10, maxBytes: 1e6, maxRowBytes },
      async deliver({ rows }) {
        await fetch(url, { method: 'POST', body: rows.map(({ line }) => line).join() });
        return { kind: 'taken' };
      },
      check: async () => [],
      close: async () => {},
    });`,
  );
  const limited = (maxRowBytes: number) => ({
    ...{ name: 'soc', module: file, since: 'all', options: { url: rig.receiver.url, maxRowBytes } },
  });
  const app = await rig.serve([limited(2_000)]);
  await eventually(async () => expect(new Set(await rig.deliveries('soc'))).toEqual(new Set(['done'])));
  expect(sentIds()).toEqual([small?.id]);
  app.signal('SIGTERM');
  await app.ended;
  await rig.serve([limited(20_000)]);
  expect(await run(['replay', 'soc'], [limited(20_000)])).toMatchObject({ exitCode: 0, rejectedRows: 1 });
  await eventually(() => expect(sentIds()).toEqual([small?.id, large.id]));
});

test('a long history is added once while events are written and exporters are killed', async () => {
  const rows = 20_000;
  await rig.db.sql`
    insert into auditbox.audit_log (changed_by, action, table_name, object_id, occurred_at)
    select 'ana', 'updated', 't', n::text, timestamptz '2026-07-03T00:00:00Z' + n * interval '4 seconds'
    from generate_series(1, ${rows}::int) n`;
  const settings = { EXPORT_BATCH_MAX_ROWS: '100' };
  expect(await (await rig.drain(settings)).ended).toBe(0);
  const entry = soc({ since: 'all', concurrency: 2 });
  const first = await rig.serve([entry], settings);
  await eventually(() => expect(posts().length).toBeGreaterThan(20));
  await addedLongAgo();
  first.signal('SIGKILL');
  await first.ended;
  await rig.endLeases();
  await rig.serve([entry], settings);
  await rig.serve([entry], settings);
  const later = someEvents(50);
  for (const event of later) await rig.db.store([event]);
  await eventually(async () => {
    expect(
      await rig.db.sql`select from auditbox.destination where name = 'soc' and history_behind is null`,
    ).toHaveLength(1);
    expect(new Set(await rig.deliveries('soc'))).toEqual(new Set(['done']));
  });
  const [counted] = await rig.db.sql`select count(*)::int as events from auditbox.audit_log`;
  expect(new Set(sentIds()).size).toBe(counted?.events);
  expect(counted?.events).toBe(rows + later.length);
  const keys = posts().map(({ headers }) => headers['webhook-id']);
  // What was under way at the kill came twice, and nothing else.
  expect(keys.length - new Set(keys).size).toBeLessThanOrEqual(20);
});

test('retention keeps a month until every destination has the history of it that it asked for', async () => {
  await rig.db.store(someEvents(1, { updated_at: '2020-05-15T00:00:00Z' }));
  expect(await (await rig.drain()).ended).toBe(0);
  await addDestination(rig.db, 'soc', { isPaused: false, history: { since: null } });
  const retain = async () => {
    const app = rig.start(['--retention', '--json'], { AUDIT_RETENTION_DAYS: '365' });
    return { code: await app.ended, output: app.output() };
  };
  const kept = await retain();
  expect(kept.code, kept.output).toBe(2);
  expect(kept.output).toContain('The history of soc is still being added.');
  await rig.serve([soc()]);
  await settled('soc', 1);
  await eventually(async () => expect((await retain()).code).toBe(0));
  expect(posts()).toHaveLength(1);
});

test('the same commands at once, some of them killed, lose nothing and each ends with a sentence', async () => {
  const ids = await storeHours(8);
  expect(await (await rig.drain()).ended).toBe(0);
  const app = await rig.serve([soc({ concurrency: 4, maxRows: 1 })]);
  await app.event('destination-added');
  const settings = await rig.configure(soc());
  const commands = [
    ...[
      ['backfill', 'soc', '--since', 'all'],
      ['backfill', 'soc', '--since', '2026-07-03T05:00:00Z'],
    ],
    ...[
      ['replay', 'soc', '--all'],
      ['replay', 'soc', '--all'],
      ['pause', 'soc'],
      ['resume', 'soc'],
    ],
    ['remove', 'soc', '--yes'],
  ];
  const others = await storeHours(4, '2026-07-04');
  const started = commands.map((args) => begin(args, settings));
  const killed = commands.slice(0, 3).map((args) => begin(args, settings));
  await Promise.race(started.map(({ ended }) => ended));
  for (const one of killed) one.signal('SIGKILL');
  await Promise.all(killed.map(({ ended }) => ended));
  const codes = await Promise.all(started.map(({ ended }) => ended));
  // It is configured, so it is not removed.
  expect(codes).toEqual([0, 0, 0, 0, 0, 0, 1]);
  for (const one of started) expect(JSON.parse(one.output().trim().split('\n').at(-1) ?? '')).toHaveProperty('ok');
  await pauseDestination(rig.db, 'soc', false);
  await settled('soc', 12);
  expect(new Set(sentIds())).toEqual(new Set([...ids, ...others]));
  const bodies = new Map<string, Set<string>>();
  for (const { headers, body } of posts()) {
    const key = String(headers['webhook-id']);
    bodies.set(key, (bodies.get(key) ?? new Set()).add(body));
  }
  expect([...bodies.values()].every(({ size }) => size === 1)).toBe(true);
});

test('an exporter reports that somebody removed a destination that it serves', async () => {
  const app = await rig.serve([soc()]);
  await app.event('destination-added');
  expect(await run(['remove', 'soc', '--yes'], [])).toMatchObject({ exitCode: 0 });
  expect((await app.event('destination-gone')).destination).toBe('soc');
});
