import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { createDestinationFixture, type DestinationFixture } from '@auditbox/testing/fixtures/destination-fixture.ts';
import { anEvent, someEvents, type WireEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { createDatadogDouble } from '@auditbox/testing/stubs/datadog-double.ts';
import { createElasticDouble } from '@auditbox/testing/stubs/elastic-double.ts';
import { createOtlpDouble } from '@auditbox/testing/stubs/otlp-double.ts';
import type { ReceiverDouble } from '@auditbox/testing/stubs/receiver-double.ts';
import { createSentinelDouble } from '@auditbox/testing/stubs/sentinel-double.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { DestinationStatus } from '../src/status/destination-status.ts';
import { sentinelEntry, sentinelSetup } from './sentinel-setup.ts';

/* Rows that a receiver can never take, from the outbox to a strict double: each is kept with its reason, and the others arrive. */

let rig: DestinationFixture;
beforeEach(async () => {
  rig = await createDestinationFixture();
});
afterEach(() => rig.close());

const recently = (ms = 60_000) => new Date(Date.now() - ms).toISOString();
const settled = () => eventually(async () => expect(new Set(await rig.deliveries('siem'))).toEqual(new Set(['done'])));
const rejections = () => rig.db.sql<{ audit_id: string; reason: string }[]>`
  select audit_id, reason from auditbox.rejection where destination = 'siem' and replayed_in is null order by audit_id`;

function answerBy<Double extends ReceiverDouble<unknown>>(double: Double): Double {
  rig.receiver.answer = double.answer;
  return double;
}

const idsIn = (stored: readonly unknown[]) =>
  stored.map((one) => /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/.exec(JSON.stringify(one))?.[0]);

test.each([
  ['datadog', () => createDatadogDouble('k'), { apiKey: 'k' }, 'x'.repeat(1_000_000), 4_250_000],
  // Each of them is four bytes in a text of JSON inside of JSON.
  ['otlp', () => createOtlpDouble({ maxBytes: 2_000_000 }), {}, '"'.repeat(510_000), 2_000_000],
  ['sentinel', () => createSentinelDouble(sentinelSetup), {}, 'x'.repeat(64_000), 1_000_000],
] as const)(
  '%s: a backlog of more than one request holds goes in requests that it takes, without the event that is too large by itself',
  async (type, make, options, tooMuch, requestBytes) => {
    const double = answerBy<ReceiverDouble<unknown>>(make());
    const values = (updated_values: string) => ({ updated_at: recently(), before_value: null, updated_values });
    const tooLarge = anEvent(values(tooMuch));
    // Together they are more than twice what a request holds.
    const bytes = 40_000;
    const others = someEvents(Math.ceil((2 * requestBytes) / bytes) + 1, values('x'.repeat(bytes)));
    await rig.db.store([...others.slice(0, 3), tooLarge, ...others.slice(3)]);
    const { url } = rig.receiver;
    const entry = type === 'sentinel' ? sentinelEntry(url) : { type, url, ...options };
    await rig.serve([{ ...entry, name: 'siem', since: 'all' }]);
    await settled();
    expect(double.refusals).toEqual([]);
    expect(double.losses).toEqual([]);
    expect(idsIn(double.stored).sort()).toEqual(others.map(({ id }) => id).sort());
    expect(await rejections()).toEqual([
      {
        audit_id: tooLarge.id,
        reason: expect.stringMatching(/^The row has \d+ bytes; the destination accepts at most \d+\.$/),
      },
    ]);
  },
);

test('elastic: an item that failed for now is sent again alone, and one that never fits is rejected alone', async () => {
  const events = someEvents(6, { updated_at: recently() });
  const [busy, bad] = events.map(({ id }) => id);
  const double = answerBy(createElasticDouble('k'));
  let times = 0;
  double.fail = ({ id }) => {
    if (id === bad) return { status: 400, type: 'document_parsing_exception', reason: 'no such date' };
    if (id !== busy) return null;
    times += 1;
    return times > 2 ? null : { status: 429, type: 'es_rejected_execution_exception', reason: 'queue is full' };
  };
  await rig.db.store(events);
  const app = await rig.serve([
    { name: 'siem', type: 'elastic', url: rig.receiver.url, apiKey: 'k', index: 'logs-audit', since: 'all' },
  ]);
  await settled();
  expect(double.refusals).toEqual([]);
  expect(idsIn(double.stored).sort()).toEqual(events.flatMap(({ id }) => (id === bad ? [] : [id])).sort());
  expect(double.asked.map((ids) => ids.length)).toEqual([6, 1, 1]);
  expect(await rejections()).toEqual([{ audit_id: bad, reason: expect.stringContaining('no such date') }]);
  // What the receiver quotes may be a value of the event.
  const rejected = await app.event('rows-rejected');
  expect(rejected).toMatchObject({ destination: 'siem', rejected: 1, reason: '400 document_parsing_exception…' });
  expect(app.output()).not.toContain('no such date');
});

test('otlp: a partial success rejects the record alone where a request has one, and logs a warning of the collector', async () => {
  const events = someEvents(3, { updated_at: recently() });
  const bad = events[1]?.id ?? '';
  const double = answerBy(
    createOtlpDouble({
      reject: (record) => (JSON.stringify(record).includes(bad) ? 'no room for it' : null),
      warning: 'use the other port',
    }),
  );
  await rig.db.store(events);
  const app = await rig.serve([{ name: 'siem', type: 'otlp', url: rig.receiver.url, maxRows: 1, since: 'all' }]);
  await settled();
  expect(double.refusals).toEqual([]);
  expect(await rejections()).toEqual([{ audit_id: bad, reason: expect.stringContaining('no room for it') }]);
  expect(idsIn(double.stored)).toHaveLength(2);
  const { port } = await app.event('exporter-running');
  // The number of rejected rows is read from the database, every few seconds.
  await eventually(async () => {
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(metrics).toContain('auditbox_requests_total{destination="siem",outcome="taken-but"} 1\n');
    expect(metrics).toContain('auditbox_request_rows_total{destination="siem"} 3\n');
    expect(metrics).toContain('auditbox_rejected_rows{destination="siem"} 1\n');
  });
  // It comes with each answer.
  const warnings = app.log.filter(({ event, level }) => event === 'destination-log' && level === 'warn');
  expect(warnings).toEqual([expect.objectContaining({ msg: expect.stringContaining('use the other port') })]);
});

/** What an operator sees of an event and its destination. */
async function look(event: WireEvent) {
  const api = await startApi(urlAs('api', rig.db.url));
  const [{ body: found }, { body: exports }] = await Promise.all([
    api.request(`/audit/${event.id}`),
    api.request('/exports'),
  ]);
  const command = spawnApp('exporter/src/status-main.ts', { DATABASE_URL: rig.env.DATABASE_URL ?? '' }, ['--json']);
  await command.ended;
  const { destinations } = JSON.parse(command.output()) as { destinations: DestinationStatus[] };
  return {
    deliveries: found.deliveries,
    exports,
    status: destinations.find(({ destination }) => destination === 'siem'),
  };
}

async function replay(entry: object) {
  const settings = await rig.configure(entry);
  const env = { ...rig.env, LOG_LEVEL: 'fatal', ...settings };
  const command = spawnApp('exporter/src/destinations-main.ts', env, ['replay', 'siem', '--json']);
  expect(await command.ended).toBe(0);
  return JSON.parse(command.output().trim().split('\n').at(-1) ?? '');
}

test('datadog: an event that is older than 18 hours is rejected with that reason, is seen everywhere, and a replay rejects it again', async () => {
  const old = anEvent({ updated_at: recently(19 * 3_600_000) });
  const young = anEvent({ updated_at: recently(17 * 3_600_000) });
  const double = answerBy(createDatadogDouble('k'));
  await rig.db.store([old, young]);
  const entry = { name: 'siem', type: 'datadog', apiKey: 'k', url: rig.receiver.url, since: 'all' };
  const app = await rig.serve([entry]);
  await settled();
  await eventually(async () => expect(new Set(await rig.deliveries('s3'))).toEqual(new Set(['done'])));
  expect(double.losses).toEqual([]);
  expect(idsIn(double.stored)).toEqual([young.id]);
  const reason = 'The event is older than 17 h 50 min. The destination accepts no older ones.';
  expect(await rejections()).toEqual([{ audit_id: old.id, reason }]);

  const seen = await look(old);
  expect(seen.deliveries).toContainEqual({ destination: 'siem', state: 'rejected', delivered_at: null });
  expect(seen.deliveries).toContainEqual(expect.objectContaining({ destination: 's3', state: 'done' }));
  expect(JSON.stringify(seen.exports)).toContain(reason);
  expect(seen.status).toMatchObject({
    state: 'fail',
    stuck: [{ kind: 'rejected', says: `1 event rejected. The oldest: ${reason}` }],
  });

  const rejectedIn = async () =>
    rig.db.sql`select batch_id from auditbox.rejection where destination = 'siem' and replayed_in is null`;
  const [first] = await rejectedIn();
  expect(await replay(entry)).toMatchObject({ ok: true, rejectedRows: 1, sentBatches: 0 });
  await eventually(async () => {
    const [again] = await rejectedIn();
    expect(again).toBeDefined();
    expect(again).not.toEqual(first);
  });
  await settled();
  expect(await rejections()).toEqual([{ audit_id: old.id, reason }]);
  expect(idsIn(double.stored)).toEqual([young.id]);
  // In the log too.
  expect(app.log.filter(({ event, rejected }) => event === 'batch-delivered' && rejected === 1)).toHaveLength(2);
  const lines = app.log.filter(({ event }) => event === 'rows-rejected');
  expect(lines).toHaveLength(2);
  for (const line of lines)
    expect(line).toMatchObject({
      ...{ level: 'error', destination: 'siem', batch: expect.stringMatching(/^\d+$/), rejected: 1, reason },
      msg: expect.stringContaining('`npm run destinations -- replay siem`'),
    });
  expect((await look(old)).status?.stuck).toEqual(seen.status?.stuck);
});

test('an event that was too old is sent by a replay once the destination accepts it', async () => {
  const file = join(rig.folder, 'aged.mjs');
  await writeFile(
    file,
    `export default ({ url, maxAgeMs }) => ({
      limits: { maxRows: 10, maxBytes: 1e6, maxRowBytes: 1e6, maxAgeMs },
      async deliver({ rows }) {
        await fetch(url, { method: 'POST', body: rows.map(({ line }) => line).join() });
        return { kind: 'taken' };
      },
      check: async () => [],
      close: async () => {},
    });`,
  );
  const aged = (maxAgeMs?: number) => ({
    ...{ name: 'siem', module: file, since: 'all', options: { url: rig.receiver.url, maxAgeMs } },
  });
  const [old, young] = [anEvent({ updated_at: recently(3_600_000) }), anEvent({ updated_at: recently(1_000) })];
  await rig.db.store([old, young]);
  const app = await rig.serve([aged(600_000)]);
  await settled();
  const sentIds = () => rig.receiver.requests.flatMap(({ body }) => idsIn([body]));
  expect(sentIds()).toEqual([young.id]);
  expect(await rejections()).toEqual([{ audit_id: old.id, reason: expect.stringContaining('older than 10 min.') }]);
  app.signal('SIGTERM');
  await app.ended;
  await rig.serve([aged()]);
  expect(await replay(aged())).toMatchObject({ rejectedRows: 1 });
  await eventually(() => expect(sentIds()).toEqual([young.id, old.id]));
  await settled();
  expect(await rejections()).toEqual([]);
  expect((await look(old)).deliveries).toContainEqual(expect.objectContaining({ destination: 'siem', state: 'done' }));
});
