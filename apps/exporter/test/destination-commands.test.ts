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
