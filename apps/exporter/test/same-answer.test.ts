import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { type OwnPostgres, startOwnPostgres } from '@auditbox/testing/servers/own-postgres.ts';
import { spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { createTemplate, createTestDatabase } from '@auditbox/testing/servers/template-database.ts';
import { migrateWithRoles } from '@auditbox/testing/servers/test-roles.ts';
import { startHttpReceiver } from '@auditbox/testing/stubs/http-receiver.ts';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Finding } from '../src/diagnose/finding.ts';
import type { DestinationStatus } from '../src/status/destination-status.ts';

/* `status`, the doctor and `--check` give one answer about the same system, in the same words and with the same exit codes. */

/** A separate server, because the one that tests share does not flush, which the doctor reports. */
let server: OwnPostgres;
let rig: ExporterFixture;

beforeAll(async () => {
  server = await startOwnPostgres();
  await createTemplate(server.url, migrateWithRoles);
});
afterAll(() => server.close());

beforeEach(async () => {
  rig = await createExporterFixture(server.url);
});
afterEach(() => rig.close());

interface Answer {
  readonly state: Finding['state'];
  readonly findings?: readonly Finding[];
  readonly destinations?: readonly DestinationStatus[];
}

/** What the three commands say. The state of a healthy doctor and check is `warn`: the bucket of the tests keeps no versions. */
async function askAll(settings: Record<string, string> = {}) {
  const env = { ...rig.env, LOG_LEVEL: 'fatal', ...settings };
  const started = [
    spawnApp('exporter/src/status-main.ts', env, ['--json']),
    spawnApp('exporter/src/main.ts', env, ['--doctor', '--json']),
    spawnApp('exporter/src/main.ts', env, ['--check', '--json']),
  ];
  const [status, doctor, check] = await Promise.all(
    started.map(async (app) => ({ code: await app.ended, ...(JSON.parse(app.output()) as Answer) })),
  );
  if (status === undefined || doctor === undefined || check === undefined) throw new Error('A command is missing.');
  const exportsOf = ({ findings = [] }: Answer) => findings.find(({ what }) => what === 'exports');
  return {
    status,
    codes: [status, doctor, check].map(({ code }) => code),
    states: [status, doctor, check].map(({ state }) => state),
    /** What the doctor and the check say about the exports. */
    exports: [doctor, check].map(exportsOf),
    /** What the doctor and the check say about what somebody changed in the schema. */
    tampered: [doctor, check].map(({ findings = [] }) => findings.find(({ what }) => what === 'tampering')?.says),
    failed: [doctor, check].map(({ findings = [] }) =>
      findings.filter(({ state }) => state === 'fail').map(({ what }) => what),
    ),
  };
}

/** Changes rows that triggers keep, and leaves the triggers as they were. */
const change = (table: string, trigger: string, set: string) =>
  rig.db.sql
    .unsafe(
      `alter table auditbox.${table} disable trigger ${trigger};
       update auditbox.${table} set ${set};
       alter table auditbox.${table} enable always trigger ${trigger}`,
    )
    .simple();

test('a healthy system: exit code 0', async () => {
  await rig.db.store(someEvents(2));
  await rig.drain();
  const { codes, states, exports } = await askAll();
  expect(codes).toEqual([0, 0, 0]);
  expect(states).toEqual(['pass', 'warn', 'warn']);
  for (const finding of exports)
    expect(finding).toMatchObject({ state: 'pass', says: 'Every destination has every event.' });
});

test('a database that is down, and one without the schema: fail, exit code 1', async () => {
  const down = await askAll({ DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nothing' });
  expect(down).toMatchObject({ codes: [1, 1, 1], states: ['fail', 'fail', 'fail'] });
  expect(down.failed).toEqual([['database'], ['database']]);
  expect(down.status).toMatchObject({
    says: expect.stringContaining('127.0.0.1:1'),
    todo: 'Check that Postgres runs, and that DATABASE_URL names it.',
  });
  const empty = await askAll({ DATABASE_URL: await createTestDatabase(server.url, { empty: true }) });
  expect(empty).toMatchObject({ codes: [1, 1, 1], states: ['fail', 'fail', 'fail'] });
  expect(empty.status).toMatchObject({ todo: 'Run `npm run migrate`.' });
});

test('a role that may not read the deliveries: unknown, exit code 2', async () => {
  const name = `reader_${randomBytes(6).toString('hex')}`;
  const url = new URL(rig.db.url);
  url.username = name;
  url.password = 'of-the-reader';
  await rig.db.sql.unsafe(
    `create role ${name} login password 'of-the-reader'; grant usage on schema auditbox to ${name};
     grant select on auditbox.outbox_status, auditbox.audit_log, auditbox.migration to ${name}`,
  );
  try {
    const { codes, states, exports, status, failed } = await askAll({ DATABASE_URL: url.href });
    expect({ codes, states, failed }).toEqual({
      codes: [2, 2, 2],
      states: ['unknown', 'unknown', 'unknown'],
      failed: [[], []],
    });
    for (const finding of [...exports, status])
      expect(finding).toMatchObject({ state: 'unknown', says: expect.stringContaining('missing right') });
  } finally {
    await rig.db.sql.unsafe(`drop owned by ${name}; drop role ${name}`);
  }
});

test('exported batches without a place in the log for more than an hour: fail, exit code 1', async () => {
  await rig.db.store(someEvents(2));
  await rig.drain();
  await rig.db.sql`insert into auditbox.log_head (destination, origin) values ('s3', 'example.com/log')`;
  await change('delivery', 'delivery_changes', "done_at = done_at - interval '50 minutes'");
  expect((await askAll()).codes).toEqual([0, 0, 0]);
  await change('delivery', 'delivery_changes', "done_at = done_at - interval '20 minutes'");
  const { codes, states, exports, status, failed } = await askAll();
  expect(codes).toEqual([1, 1, 1]);
  expect(states).toEqual(['fail', 'fail', 'fail']);
  expect(status.destinations?.[0]?.stuck.map(({ kind }) => kind)).toEqual(['unlogged']);
  expect(failed).toEqual([['exports'], ['exports']]);
  for (const finding of exports)
    expect(finding).toMatchObject({
      says: 's3: Exported batches have no place in the signed log.',
      advice: expect.stringContaining('`log-blocked`'),
    });
});

test('a paused destination: warn, exit code 0', async () => {
  await rig.db.sql`update auditbox.destination set is_paused = true where name = 's3'`;
  const { codes, states, exports } = await askAll();
  expect({ codes, states }).toEqual({ codes: [0, 0, 0], states: ['warn', 'warn', 'warn'] });
  for (const finding of exports)
    expect(finding).toMatchObject({
      state: 'warn',
      says: 's3: It is paused. Its deliveries wait.',
      advice: expect.stringContaining('npm run destinations -- resume s3'),
    });
});

test('a second destination that refuses everything: fail, exit code 1, though the first one has every event', async () => {
  const receiver = await startHttpReceiver();
  const folder = await mkdtemp(join(tmpdir(), 'auditbox-same-answer-'));
  try {
    receiver.answer = () => ({ status: 401 });
    const secrets = [`whsec_${Buffer.alloc(32, 1).toString('base64')}`];
    const soc = { name: 'soc', type: 'webhook', url: receiver.url, secrets, body: 'ndjson', since: 'all' };
    const DESTINATIONS_FILE = join(folder, 'destinations.json');
    await writeFile(DESTINATIONS_FILE, JSON.stringify({ destinations: [soc] }));
    await rig.db.store(someEvents(2));
    const exporter = rig.start([], { DESTINATIONS_FILE, EXPORT_RETRY_CAP_MS: '200' });
    await exporter.event('destination-blocked');
    await eventually(async () =>
      expect(await rig.db.sql`select state from auditbox.delivery where destination = 's3'`).toEqual([
        { state: 'done' },
      ]),
    );
    exporter.signal('SIGTERM');
    await exporter.ended;
    const { codes, states, exports, status, failed } = await askAll({ DESTINATIONS_FILE });
    expect({ codes, states }).toEqual({ codes: [1, 1, 1], states: ['fail', 'fail', 'fail'] });
    expect(failed).toEqual([['exports'], ['exports']]);
    expect(status.destinations).toMatchObject([
      { destination: 's3', state: 'pass', behind: { rows: 0 } },
      { destination: 'soc', state: 'fail', behind: { rows: 2 }, stuck: [{ kind: 'blocked' }] },
    ]);
    for (const finding of exports)
      expect(finding).toMatchObject({
        says: expect.stringMatching(/^soc: It gets nothing until this is repaired: .*401/),
      });
  } finally {
    await receiver.close();
    await rm(folder, { recursive: true });
  }
});

test('events are late at the same age, which grows with EXPORT_LINGER_MS', async () => {
  await rig.db.store(someEvents(1));
  await change('outbox', 'outbox_no_update', "recorded_at = recorded_at - interval '10 minutes'");
  expect(await askAll()).toMatchObject({ codes: [1, 1, 1], failed: [['exports'], ['exports']] });
  expect((await askAll({ EXPORT_LINGER_MS: '600000' })).codes).toEqual([0, 0, 0]);
});

test('a replaced function, a month without a partition and a missing grant fail the check as they fail the doctor', async () => {
  const { sql } = rig.db;
  await sql`
    create or replace function auditbox.refuse_change() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as $$ begin return null; end $$`;
  await sql`revoke select on auditbox.batch from auditbox_api`;
  const next = new Date();
  next.setUTCDate(1);
  next.setUTCMonth(next.getUTCMonth() + 1);
  await sql.unsafe(`drop table auditbox.audit_log_${next.toISOString().slice(0, 7).replace('-', '_')}`);
  const { codes, failed, tampered } = await askAll();
  expect(codes).toEqual([0, 1, 1]);
  for (const says of tampered) {
    expect(says).toContain('refuse_change');
    expect(says).toContain('auditbox_api');
  }
  expect(failed).toEqual([
    ['tampering', 'months'],
    ['tampering', 'months'],
  ]);
});
