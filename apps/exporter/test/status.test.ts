import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { addDestination } from '@auditbox/db/export/destinations.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { describeAge } from '../src/status/describe-status.ts';
import type { DestinationStatus } from '../src/status/destination-status.ts';

/* `npm run status` says on one screen what is behind, what is stuck and what to do. The doctor and --check agree with it. */

let rig: ExporterFixture;
beforeEach(async () => {
  rig = await createExporterFixture();
});
afterEach(() => rig.close());

async function status(args: readonly string[] = ['--json'], env: Record<string, string> = {}) {
  const app = spawnApp('exporter/src/status-main.ts', { DATABASE_URL: rig.env.DATABASE_URL ?? '', ...env }, args);
  return { code: await app.ended, output: app.output() };
}

async function readStatus() {
  const { code, output } = await status();
  const { state, destinations } = JSON.parse(output) as { state: string; destinations: DestinationStatus[] };
  const [s3] = destinations.filter(({ destination }) => destination === 's3');
  return { code, state, s3: s3 ?? expect.fail('no s3'), kinds: s3?.stuck.map(({ kind }) => kind) };
}

const move = (interval: string) =>
  rig.db.sql
    .unsafe(
      `alter table auditbox.outbox disable trigger outbox_no_update;
       update auditbox.outbox set recorded_at = recorded_at - interval '${interval}';
       alter table auditbox.outbox enable always trigger outbox_no_update`,
    )
    .simple();

const refuse = (status: number, code: string) => {
  rig.proxy.intervene = { before: ({ path }) => (path.includes('.ndjson') ? { status, code } : undefined) };
};

test.each([
  ['exporter/src/status-main.ts', [], 2],
  ['exporter/src/main.ts', ['--doctor'], 2],
  ['exporter/src/destinations-main.ts', ['list'], 1],
] as const)(
  'a command that only reads ends at the first signal, though the database does not answer: %s',
  async (name, args, code) => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const asked = once(silent, 'connection');
    const app = spawnApp(
      name,
      { ...rig.env, DATABASE_URL: `postgres://x@127.0.0.1:${port}/x`, LOG_LEVEL: 'info' },
      args,
    );
    await asked;
    app.signal('SIGINT');
    expect(await app.ended).toBe(code);
    expect(app.output()).toContain('"event":"stopping"');
    expect(app.output()).not.toMatch(/unknown|does not answer|second-signal/);
    silent.close();
  },
);

test('when every event is everywhere it exits with 0 and says so', async () => {
  await rig.db.store(someEvents(3));
  await rig.drain();
  expect(await readStatus()).toMatchObject({ code: 0, state: 'pass', s3: { behind: { rows: 0, oldestAgeS: 0 } } });
  expect((await status([])).output).toContain('pass     s3: every event is there.');
});

test('events that wait are counted before and after they are sealed, and are late after --max-behind', async () => {
  await rig.db.store(someEvents(3));
  expect(await readStatus()).toMatchObject({ code: 0, state: 'pass', s3: { behind: { rows: 3 } } });
  // What is normal does not sound like a failure.
  expect((await status([])).output).toMatch(
    /^pass {5}s3: 3 events are on the way; the oldest waits for \d+ s, which is normal\.$/m,
  );
  await move('1 hour');
  const late = await readStatus();
  expect(late).toMatchObject({ code: 1, state: 'fail', kinds: ['behind'], s3: { behind: { rows: 3 } } });
  expect(late.s3.behind.oldestAgeS).toBeGreaterThan(3_599);
  expect((await status(['--max-behind', '7200'])).code).toBe(0);
  const words = await status([]);
  expect(words.output).toMatch(
    /fail {5}s3: 3 events are not there; the oldest waits for 1 h.*\n.*\n.*→ Check that exporters run/,
  );
  expect(words.output).toContain('No exporter is connected to the database.');
});

test('a destination that no exporter serves is said to wait, with both remedies', async () => {
  await addDestination(rig.db, 'siem', { isPaused: false, history: null });
  await rig.db.store(someEvents(3));
  await move('1 hour');
  await rig.drain();
  const { output } = await status();
  const { destinations } = JSON.parse(output) as { destinations: DestinationStatus[] };
  expect(destinations).toMatchObject([
    { destination: 's3', state: 'pass' },
    {
      ...{ destination: 'siem', state: 'fail' },
      stuck: [
        {
          kind: 'behind',
          says: 'Events wait for longer than they should, and no exporter is sending one.',
          todo: expect.stringMatching(
            /an exporter runs which has siem in its settings.*`npm run destinations -- remove siem --yes`/,
          ),
        },
      ],
    },
  ]);
});

test('a failed delivery is a failure with its reason and the command, never 0, until it is replayed', async () => {
  await rig.db.store(someEvents(3, { updated_at: '2026-07-03T11:00:00Z' }));
  refuse(400, 'EntityTooLarge');
  await rig.drain();
  const { code, s3, kinds } = await readStatus();
  expect({ code, kinds, rows: s3.behind.rows }).toEqual({ code: 1, kinds: ['failed'], rows: 3 });
  expect(s3.behind.oldestAgeS).toBeGreaterThan(0);
  expect(s3.stuck[0]?.says).toMatch(/^1 delivery \(3 events\) failed\. The oldest: ./);
  expect(s3.stuck[0]?.todo).toContain('npm run exporter -- --replay-failed');
  const container = await status([], { AUDITBOX_COMMAND: 'auditbox' });
  expect(container.output).toContain('auditbox exporter --replay-failed');
  const doctor = rig.start(['--doctor', '--json'], { LOG_LEVEL: 'fatal' });
  expect(await doctor.ended).toBe(1);
  const check = rig.start(['--check', '--json'], { LOG_LEVEL: 'fatal' });
  expect(await check.ended).toBe(1);
  for (const app of [doctor, check]) {
    const { findings } = JSON.parse(app.output()) as { findings: { what: string; state: string; says: string }[] };
    expect(findings.find(({ what }) => what === 'exports')).toMatchObject({
      state: 'fail',
      says: expect.stringContaining('s3: 1 delivery (3 events) failed.'),
    });
  }
  rig.proxy.intervene = {};
  await rig.start(['--replay-failed']).ended;
  expect(await readStatus()).toMatchObject({ code: 0, state: 'pass', s3: { behind: { rows: 0 } } });
});

test('--once --json says what is left', async () => {
  await rig.db.store(someEvents(2, { updated_at: '2026-07-03T11:00:00Z' }));
  const once = async () => {
    const app = rig.start(['--once', '--json'], { LOG_LEVEL: 'fatal' });
    return { code: await app.ended, ...JSON.parse(app.output()) };
  };
  refuse(400, 'EntityTooLarge');
  expect(await once()).toMatchObject({
    code: 2,
    ok: false,
    exitCode: 2,
    left: { failedDeliveries: 1, anyPending: false },
  });
  rig.proxy.intervene = {};
  await rig.start(['--replay-failed']).ended;
  expect(await once()).toMatchObject({ code: 0, ok: true, left: { failedDeliveries: 0, rejectedRows: 0 } });
});

test('a destination that refuses everything is named with its reason', async () => {
  await rig.db.store(someEvents(1));
  refuse(403, 'AccessDenied');
  await rig.drain();
  const { code, s3, kinds } = await readStatus();
  expect({ code, kinds }).toEqual({ code: 1, kinds: ['blocked'] });
  expect(s3.stuck[0]?.says).toMatch(/^It refuses everything: .*permission/);
});

test('a paused destination is a warning with the command that ends it', async () => {
  await rig.db.sql`update auditbox.destination set is_paused = true where name = 's3'`;
  const { code, state, s3 } = await readStatus();
  expect({ code, state }).toEqual({ code: 0, state: 'warn' });
  expect(s3.stuck[0]?.todo).toContain('npm run destinations -- resume s3');
});

test('a database that does not answer or has no schema is named, with what to do', async () => {
  const down = await status([], { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nothing' });
  expect(down).toMatchObject({
    code: 1,
    output: expect.stringMatching(
      /^fail {5}database: The database is not available now.*\n {9}→ Check that Postgres runs, and that DATABASE_URL names it\.\n$/,
    ),
  });
  const empty = await status([], { DATABASE_SCHEMA: 'nowhere' });
  expect(empty).toMatchObject({ code: 1, output: expect.stringMatching(/^fail {5}schema: .*\n.*`npm run migrate`/) });
});

test.each([
  [0, '0 s'],
  [59, '59 s'],
  [60, '1 min'],
  [3_725, '1 h 2 min'],
  [90_000, '1 d 1 h'],
])('%s seconds are shown as %s', (seconds, shown) => {
  expect(describeAge(seconds)).toBe(shown);
});
