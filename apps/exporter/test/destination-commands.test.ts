import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { createDestinationFixture, type DestinationFixture } from '@auditbox/testing/fixtures/destination-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

/* `npm run destinations` next to a running exporter. */

let rig: DestinationFixture;
const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const soc = () => ({
  name: 'soc',
  type: 'webhook',
  url: rig.receiver.url,
  secrets: [secret],
  body: 'ndjson',
  since: 'all',
});
const posts = () => rig.receiver.requests.filter(({ method }) => method === 'POST');

beforeEach(async () => {
  rig = await createDestinationFixture();
});
afterEach(() => rig.close());

/** Runs a command; its result and exit code. */
async function run(args: readonly string[], entries: readonly object[] = [soc()]) {
  const settings = await rig.configure(...entries);
  const app = spawnApp('exporter/src/destinations-main.ts', { ...rig.env, LOG_LEVEL: 'fatal', ...settings }, [
    ...args,
    '--json',
  ]);
  const exitCode = await app.ended;
  return { exitCode, ...JSON.parse(app.output().trim().split('\n').at(-1) ?? '') };
}

test('list, check and test report what is there and whether the receiver works', async () => {
  await rig.db.store(someEvents(3));
  expect((await run(['list'])).destinations).toMatchObject([
    { name: 's3', state: 'active' },
    { name: 'soc', state: 'not added yet' },
  ]);
  expect(await run(['check'])).toMatchObject({ exitCode: 0, destinations: [{ name: 'soc', works: true }] });
  const tested = await run(['test', 'soc']);
  expect(tested).toMatchObject({ exitCode: 0, outcome: { kind: 'taken' } });
  expect(posts().map(({ body }) => JSON.parse(body).id)).toEqual([tested.id]);
  const gone = { ...soc(), url: 'http://127.0.0.1:1' };
  expect(await run(['check', 'soc'], [gone])).toMatchObject({ exitCode: 1, destinations: [{ works: false }] });
  expect(await run(['test', 'sco'])).toMatchObject({ exitCode: 1, ok: false });
});

test.each([
  [['--from', '2026-07-04', '--to', '2026-07-03'], '--from is after --to'],
  [['--all', '--from', '2026-07-03'], '--all is everything'],
])('a replay with %j is refused, instead of finding less than was meant', async (args, words) => {
  const app = spawnApp('exporter/src/destinations-main.ts', rig.env, ['replay', 's3', ...args]);
  expect(await app.ended).toBe(1);
  expect(app.output()).toContain(words);
});

test('pause, resume, replay and backfill do what their dry run says, and a replay repeats keys and bytes', async () => {
  await rig.db.store(someEvents(3, { updated_at: '2026-07-03T11:00:00Z' }));
  await rig.serve([soc()]);
  await eventually(async () => expect(await rig.deliveries('soc')).toEqual(['done']));
  const [first] = posts();

  await run(['pause', 'soc']);
  await rig.db.store(someEvents(2, { updated_at: '2026-07-03T12:00:00Z' }));
  await eventually(async () => expect(await rig.deliveries('s3')).toEqual(['done', 'done']));
  expect((await run(['list'])).destinations).toContainEqual(
    expect.objectContaining({ name: 'soc', state: 'paused', waitingBatches: 1, waitingRows: 2 }),
  );
  await run(['resume', 'soc', '--dry-run']);
  expect(await rig.deliveries('soc')).toEqual(['done', 'sealed']);
  await run(['resume', 'soc']);
  await eventually(async () => expect(await rig.deliveries('soc')).toEqual(['done', 'done']));

  const range = ['--from', '2026-07-03T10:00:00Z', '--to', '2026-07-03T11:30:00Z'];
  expect(await run(['replay', 'soc', ...range, '--dry-run'])).toMatchObject({ sentBatches: 1, sentRows: 3 });
  expect(posts()).toHaveLength(2);
  await run(['replay', 'soc', ...range]);
  await eventually(() => expect(posts()).toHaveLength(3));
  expect(posts()[2]).toMatchObject({ body: first?.body, headers: { 'webhook-id': first?.headers['webhook-id'] } });
  expect(await run(['backfill', 'soc', '--since', 'all'])).toMatchObject({ exitCode: 0, batches: 0 });
});

test('no dry run changes anything or sends anything, and each prints what the command would do', async () => {
  // A batch that the destination was not given, because it was added later.
  await rig.db.store(someEvents(1, { updated_at: '2026-07-03T10:00:00Z' }));
  await rig.drain();
  const events = someEvents(3, { updated_at: '2026-07-03T11:00:00Z' });
  rig.receiver.answer = ({ body }) => ({ status: body.includes(events[0]?.id ?? '') ? 422 : 200 });
  const app = await rig.serve([{ ...soc(), since: 'now' }]);
  await app.event('destination-added');
  await rig.db.store(events);
  await eventually(async () => expect(await rig.deliveries('soc')).toEqual(['done']));
  await run(['pause', 'soc']);
  await rig.db.store(someEvents(2, { updated_at: '2026-07-03T12:00:00Z' }));
  await eventually(async () => expect(await rig.deliveries('soc')).toEqual(['done', 'sealed']));
  await eventually(async () => expect(await rig.deliveries('s3')).toEqual(['done', 'done', 'done']));
  // What an exporter does by itself would look like a change.
  app.signal('SIGTERM');
  await app.ended;
  const state = async () =>
    Promise.all(
      ['destination', 'delivery', 'rejection', 'batch', 'audit_log'].map(
        (table) => rig.db.sql`select * from ${rig.db.sql(`auditbox.${table}`)} as t order by t::text`,
      ),
    );
  const before = await state();
  const asked = rig.receiver.requests.length;

  const dry = (...args: string[]) => run([...args, '--dry-run']);
  const waits = { waitingBatches: 1, waitingRows: 2 };
  expect(await dry('pause', 'soc')).toEqual({ exitCode: 0, ok: true, name: 'soc', dryRun: true, ...waits });
  expect(await dry('resume', 'soc')).toEqual({ exitCode: 0, ok: true, name: 'soc', dryRun: true, ...waits });
  const all = { failedBatches: 0, rejectedRows: 1, sentBatches: 0, sentRows: 0 };
  expect(await dry('replay', 'soc')).toEqual({ exitCode: 0, ok: true, name: 'soc', dryRun: true, ...all });
  const sent = { sentBatches: 1, sentRows: 3 };
  expect(await dry('replay', 'soc', '--all')).toMatchObject({ exitCode: 0, dryRun: true, ...all, ...sent });
  expect(await dry('backfill', 'soc', '--since', 'all')).toEqual({
    ...{ exitCode: 0, ok: true, name: 'soc', dryRun: true, batches: 1 },
  });
  expect(await dry('backfill', 'soc', '--since', '2026-07-04')).toMatchObject({ dryRun: true, batches: 0 });
  for (const yes of [[], ['--yes']])
    expect(await run(['remove', 'soc', '--dry-run', ...yes], [])).toEqual({
      ...{ exitCode: 0, ok: true, name: 'soc', dryRun: true, rows: 3, ...waits },
    });
  expect(await dry('test', 'soc')).toEqual({ exitCode: 0, ok: true, dryRun: true, destinations: ['soc'] });
  expect(await dry('check')).toEqual({ exitCode: 0, ok: true, dryRun: true, destinations: ['soc'] });
  expect(await dry('list')).toMatchObject({ exitCode: 0, destinations: [{ name: 's3' }, { name: 'soc' }] });
  for (const args of [
    ['pause', 'sco'],
    ['resume', 'sco'],
    ['replay', 'sco'],
    ['backfill', 'sco', '--since', 'all'],
    ['remove', 'sco'],
    ['test', 'sco'],
    ['check', 'sco'],
  ])
    expect(await dry(...args), args.join()).toMatchObject({ exitCode: 1, ok: false });

  expect(await state()).toEqual(before);
  expect(rig.receiver.requests).toHaveLength(asked);
  // Each of them does what its dry run said.
  expect(await run(['replay', 'soc'])).toMatchObject(all);
  expect(await run(['backfill', 'soc', '--since', 'all'])).toMatchObject({ batches: 1 });
  expect(await run(['remove', 'soc', '--yes'], [])).toMatchObject({ exitCode: 0, rows: 4 });
});

test.each(['pause', 'resume'])('%s says how much waits, with and without a dry run', async (verb) => {
  await rig.serve([soc()]).then((app) => app.event('destination-added'));
  await run(['pause', 'soc']);
  await rig.db.store(someEvents(2, { updated_at: '2026-07-03T12:00:00Z' }));
  await eventually(async () => expect(await rig.deliveries('soc')).toEqual(['sealed']));
  const waits = { waitingBatches: 1, waitingRows: 2 };
  expect(await run([verb, 'soc', '--dry-run'])).toMatchObject(waits);
  expect(await run([verb, 'soc'])).toMatchObject(waits);
});

test.each([
  // What the file says holds from each start on, whatever a command did in between.
  [{ paused: true }, 'resume', { paused: true }, true],
  [{ paused: false }, 'pause', { paused: false }, false],
  // Without the key, a command holds over a restart.
  [{}, 'pause', {}, true],
  [{ paused: true }, 'resume', {}, false],
  // The key comes or changes.
  [{}, 'resume', { paused: true }, true],
  [{ paused: true }, 'pause', { paused: false }, false],
])(
  'with %j in the file, then the command %s, and after a restart with %j it is paused: %j',
  async (first, verb, then, isPaused) => {
    const restart = async (options: object, settings: Record<string, string> = {}) => {
      const app = await rig.serve([{ ...soc(), ...options }], settings);
      // It is checked once the file was compared with the database.
      await app.event('destination-checked');
      return app;
    };
    const state = async () => (await rig.db.sql`select is_paused from auditbox.destination where name = 'soc'`)[0];
    const app = await restart(first);
    expect(await state()).toEqual({ is_paused: 'paused' in first && first.paused });
    await run([verb, 'soc']);
    expect(await state()).toEqual({ is_paused: verb === 'pause' });
    app.signal('SIGTERM');
    await app.ended;
    await restart(then);
    expect(await state()).toEqual({ is_paused: isPaused });
    await rig.db.store(someEvents(1, { updated_at: '2026-07-03T12:00:00Z' }));
    await eventually(async () => expect(await rig.deliveries('s3')).toEqual(['done']));
    if (isPaused) {
      expect(await rig.deliveries('soc')).toEqual(['sealed']);
      expect(posts()).toHaveLength(0);
    } else await eventually(async () => expect(await rig.deliveries('soc')).toEqual(['done']));
  },
);

test('a destination that another process serves is not paused or resumed by this one', async () => {
  const added = await rig.serve([{ ...soc(), paused: true }]);
  await added.event('destination-checked');
  await run(['resume', 'soc']);
  const other = await rig.serve([{ ...soc(), paused: true }], { DESTINATIONS: 's3' });
  await other.event('exporter-running');
  added.signal('SIGTERM');
  await added.ended;
  await rig.db.store(someEvents(1));
  await eventually(async () => expect(await rig.deliveries('s3')).toEqual(['done']));
  expect(await rig.db.sql`select is_paused from auditbox.destination where name = 'soc'`).toEqual([
    { is_paused: false },
  ]);
});

test('a module may be the name of a package next to the file, in JavaScript', async () => {
  const made = `() => ({
    limits: { maxRows: 1, maxBytes: 1000, maxRowBytes: 1000 },
    deliver: async () => ({ kind: 'taken' }),
    check: async () => [{ says: 'I am here.', stopsDelivery: false }],
    close: async () => {},
  })`;
  const install = async (name: string, file: string, start: string) => {
    const folder = join(rig.folder, 'node_modules', name);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'package.json'), JSON.stringify({ name, exports: { import: `./${file}` } }));
    await writeFile(join(folder, file), `${start} ${made};`);
  };
  await install('sink', 'index.mjs', 'export default');
  await install('compiled', 'index.cjs', 'exports.__esModule = true; exports.default =');
  await install('typed', 'index.ts', 'export default');
  for (const module of ['sink', 'compiled'])
    expect(await run(['check'], [{ name: 'own', module }])).toMatchObject({
      exitCode: 0,
      destinations: [{ name: 'own', works: true, findings: [{ says: 'I am here.' }] }],
    });
  expect(await run(['check'], [{ name: 'own', module: 'typed' }])).toMatchObject({
    exitCode: 1,
    problem: expect.stringContaining('node_modules'),
  });
});

test('a destination that is not configured any more is kept as orphaned until it is removed with --yes', async () => {
  const first = await rig.serve([soc()]);
  await first.event('destination-added');
  first.signal('SIGTERM');
  await first.ended;
  const next = await rig.serve([]);
  expect((await next.event('destination-orphaned')).destination).toBe('soc');
  await rig.db.store(someEvents(1));
  await eventually(async () => expect(await rig.deliveries('soc')).toEqual(['sealed']));
  expect(await run(['remove', 'soc', '--yes'])).toMatchObject({ exitCode: 1, ok: false });
  expect(await run(['remove', 'soc'], [])).toMatchObject({ exitCode: 1, ok: false });
  expect(await rig.deliveries('soc')).toEqual(['sealed']);
  expect(await run(['remove', 'soc', '--yes'], [])).toMatchObject({ exitCode: 0, rows: 1 });
  expect(await rig.deliveries('soc')).toEqual([]);
});
