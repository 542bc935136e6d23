import { randomBytes } from 'node:crypto';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { expectExactlyOnce } from '@auditbox/testing/expectations/expect-exactly-once.ts';
import { createDestinationFixture, type DestinationFixture } from '@auditbox/testing/fixtures/destination-fixture.ts';
import { createExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { startHttpReceiver } from '@auditbox/testing/stubs/http-receiver.ts';
import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, expect, test } from 'vitest';

/* A destination that takes requests, tried with a webhook on a real HTTP server. */

let rig: DestinationFixture;
const secret = `whsec_${randomBytes(32).toString('base64')}`;
const events = someEvents(5, { updated_at: '2026-07-03T11:46:50Z' });
const ids = events.map(({ id }) => id);
const soc = (options: object = {}) => ({
  name: 'soc',
  type: 'webhook',
  url: rig.receiver.url,
  secrets: [secret],
  since: 'all',
  ...options,
});

beforeEach(async () => {
  rig = await createDestinationFixture();
});
afterEach(() => rig.close());

const posts = () => rig.receiver.requests.filter(({ method }) => method === 'POST');
const sentIds = () => posts().flatMap(({ body }) => [...body.matchAll(/"id":"([0-9a-f-]{36})"/g)].map(([, id]) => id));
const done = () => eventually(async () => expect(await rig.deliveries('soc')).toEqual(['done']));

/** Each key with all bodies that came with it. */
function bodiesByKey(): Map<string, Set<string>> {
  const bodies = new Map<string, Set<string>>();
  for (const { headers, body } of posts()) {
    const key = String(headers['webhook-id']);
    bodies.set(key, (bodies.get(key) ?? new Set()).add(body));
  }
  return bodies;
}

test('each event is posted, signed so that the library of Standard Webhooks verifies it, and S3 has it too', async () => {
  await rig.db.store(events);
  await rig.serve([soc()]);
  await done();
  const payloads = posts().map(({ body, headers }) =>
    new Webhook(secret).verify(body, headers as Record<string, string>),
  );
  expect(payloads).toHaveLength(5);
  expect(payloads[0]).toMatchObject({
    type: 'audit.updated',
    timestamp: '2026-07-03T11:46:50.000000Z',
    data: { changed_by: 'ana@example.com', updated_values: { max_budget: 25 } },
  });
  expect(sentIds().sort()).toEqual([...ids].sort());
  await eventually(async () => expect(await rig.deliveries('s3')).toEqual(['done']));
  await expectExactlyOnce(rig.bucket, ids);
});

test('WEBHOOK_URL and WEBHOOK_SECRET alone make a webhook, and two secrets let a receiver know either', async () => {
  const older = `whsec_${randomBytes(32).toString('base64')}`;
  const app = rig.start([], { WEBHOOK_URL: rig.receiver.url, WEBHOOK_SECRET: `${secret},${older}` });
  await app.event('destination-added');
  await rig.db.store([anEvent()]);
  await eventually(() => expect(posts()).toHaveLength(1));
  const [post] = posts();
  for (const known of [secret, older])
    expect(() => new Webhook(known).verify(post?.body ?? '', post?.headers as Record<string, string>)).not.toThrow();
});

test('a webhook that is dead for ever delays S3 by nothing, and gets everything when it is back', async () => {
  rig.receiver.answer = () => 'hang';
  await rig.serve([soc({ timeoutMs: 60_000 })]);
  for (let batch = 1; batch <= 5; batch += 1) {
    await rig.db.store(someEvents(2, { updated_at: `2026-07-03T1${batch}:00:00Z` }));
    await eventually(async () => expect(await rig.deliveries('s3')).toEqual(Array(batch).fill('done')));
  }
  expect(await rig.deliveries('soc')).not.toContain('done');
  rig.receiver.answer = () => ({ status: 204 });
  // The exporter that waits for an answer is stopped; the next one has nothing to wait for.
  const next = await rig.serve([soc({ timeoutMs: 500 })], { EXPORT_LEASE_MS: '2000', S3_REQUEST_TIMEOUT_MS: '1000' });
  await next.event('exporter-running');
  await rig.db.sql`update auditbox.delivery set leased_until = now() where destination = 'soc' and state = 'sending'`;
  await eventually(async () => expect(await rig.deliveries('soc')).toEqual(Array(5).fill('done')));
});

test('S3 that refuses everything delays the webhook by nothing', async () => {
  rig.proxy.intervene = { before: () => ({ status: 403, code: 'AccessDenied' }) };
  await rig.serve([soc()]);
  await rig.db.store(events);
  await done();
  expect(await rig.deliveries('s3')).not.toContain('done');
});

test('killed between the request and the mark: the same request comes again, with the same key and bytes', async () => {
  await rig.db.store(events);
  const { promise: third, resolve } = Promise.withResolvers<void>();
  rig.receiver.answer = () => {
    if (posts().length < 3) return { status: 200 };
    resolve();
    return 'hang';
  };
  const app = await rig.serve([soc()]);
  await third;
  app.signal('SIGKILL');
  expect(await app.ended).toBe('SIGKILL');
  rig.receiver.answer = () => ({ status: 200 });
  await rig.endLeases();
  // The configuration was changed too. What was begun goes on as it was.
  await rig.serve([soc({ format: 'ocsf', fields: [], only: { action: ['nothing'] } })]);
  await done();
  const bodies = bodiesByKey();
  expect([...bodies.keys()].map((key) => key.replace(/^soc\/\d+-[a-z0-9]+\//, '')).sort()).toEqual([
    '0',
    '1',
    '2',
    '3',
    '4',
  ]);
  expect([...bodies.values()].map(({ size }) => size)).toEqual([1, 1, 1, 1, 1]);
  expect(new Set(sentIds())).toEqual(new Set(ids));
});

test('a request whose answer was lost comes again with the same key and bytes, and a new signature', async () => {
  await rig.db.store(events);
  const faults = ['cut', { status: 500 }, { status: 429, headers: { 'retry-after': '1' } }] as const;
  rig.receiver.answer = () => faults[posts().length - 1] ?? { status: 200 };
  await rig.serve([soc({ body: 'array' })]);
  await done();
  expect(posts()).toHaveLength(4);
  expect([...bodiesByKey()].map(([, bodies]) => bodies.size)).toEqual([1]);
  for (const { body, headers } of posts())
    expect(() => new Webhook(secret).verify(body, headers as Record<string, string>)).not.toThrow();
  // The time is part of what is signed, in seconds.
  const [, , third, last] = posts().map(({ headers }) => headers);
  expect(Number(last?.['webhook-timestamp'])).toBeGreaterThan(Number(third?.['webhook-timestamp']));
});

test('a database that was restored without --reconcile uses no key again for other events', async () => {
  // Two databases that begin alike are a database and its backup, restored.
  const restored = await createExporterFixture();
  try {
    await rig.db.store(events);
    await rig.serve([soc({ body: 'ndjson' })]);
    await done();
    const later = someEvents(5, { updated_at: '2026-07-03T11:46:50Z' });
    await restored.db.store(later);
    restored.start([], await rig.configure(soc({ body: 'ndjson' })));
    await eventually(() => expect(new Set(sentIds())).toEqual(new Set([...events, ...later].map(({ id }) => id))));
    const [first, second] = [...bodiesByKey().keys()];
    expect(first?.replace(/-.*$/, '')).toBe(second?.replace(/-.*$/, ''));
    expect([...bodiesByKey().values()].map(({ size }) => size)).toEqual([1, 1]);
  } finally {
    await restored.close();
  }
});

test('Retry-After is obeyed', async () => {
  await rig.db.store(events);
  const at: number[] = [];
  rig.receiver.answer = ({ method }) => {
    if (method === 'POST') at.push(performance.now());
    return at.length === 1 ? { status: 429, headers: { 'retry-after': '2' } } : { status: 200 };
  };
  await rig.serve([soc({ body: 'array' })]);
  await done();
  expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(1_990);
});

test.each([410, 401, 302])(
  'an answer of %i blocks the webhook alone, costs no attempt, is logged once, and it resumes alone',
  async (status) => {
    await rig.db.store(events);
    rig.receiver.answer = () => ({ status });
    const app = await rig.serve([soc()]);
    expect((await app.event('destination-blocked')).destination).toBe('soc');
    await eventually(() => expect(posts().length).toBeGreaterThan(3));
    await eventually(async () => expect(await rig.deliveries('s3')).toEqual(['done']));
    const [row] = await rig.db.sql`select attempts, last_error from auditbox.delivery where destination = 'soc'`;
    expect(row?.attempts).toBeLessThanOrEqual(1);
    expect(row?.last_error).toContain(String(status));
    rig.receiver.answer = () => ({ status: 200 });
    await done();
    expect(app.log.filter(({ event }) => event === 'destination-blocked')).toHaveLength(1);
  },
);

test('a receiver that sends a byte now and then is given up at the time-out and tried again', async () => {
  await rig.db.store(events);
  rig.receiver.answer = () => (posts().length === 1 ? 'slow loris' : { status: 200 });
  const app = await rig.serve([soc({ body: 'array', timeoutMs: 300 })]);
  await done();
  expect(await app.event('request-retried')).toMatchObject({ destination: 'soc', code: 'Timeout' });
});

test('one event that the receiver can never take is kept with its reason, and stops no other', async () => {
  await rig.db.store(events);
  rig.receiver.answer = ({ body }) =>
    body.includes(ids[2] ?? '') ? { status: 422, body: 'no such team' } : { status: 200 };
  await rig.serve([soc({ body: 'array' })]);
  await done();
  const rejected = await rig.db.sql`select audit_id, reason from auditbox.rejection where destination = 'soc'`;
  expect(rejected).toEqual([{ audit_id: ids[2], reason: expect.stringContaining('no such team') }]);
});

test('a receiver that keeps keys gets every event, also when an answer is lost while it looks for the bad one', async () => {
  const many = someEvents(10, { updated_at: '2026-07-03T11:46:50Z' });
  await rig.db.store(many);
  const inOrder = many.map(({ id }) => id).sort();
  const bad = inOrder[7] ?? '';
  const kept = new Map<string, string>();
  let lost = 0;
  rig.receiver.answer = ({ method, headers, body }) => {
    const key = String(headers['webhook-id']);
    if (method !== 'POST' || kept.has(key)) return { status: 200 };
    if (body.includes(bad)) return { status: 422 };
    kept.set(key, body);
    // The rows behind the first half are recorded as not sent.
    if (!body.includes(inOrder[5] ?? '') || lost > 0) return { status: 200 };
    lost += 1;
    return 'cut';
  };
  await rig.serve([soc({ body: 'ndjson' })]);
  await done();
  expect(lost).toBe(1);
  const stored = [...kept.values()].flatMap((body) => body.trimEnd().split('\n')).map((line) => JSON.parse(line).id);
  expect(stored.sort()).toEqual(inOrder.filter((id) => id !== bad));
  expect(await rig.db.sql`select audit_id from auditbox.rejection where destination = 'soc'`).toEqual([
    { audit_id: bad },
  ]);
});

test('a request that is too large is halved until the receiver takes it', async () => {
  await rig.db.store(events);
  rig.receiver.answer = ({ body }) => ({ status: JSON.parse(body || '[]').length > 2 ? 413 : 200 });
  await rig.serve([soc({ body: 'array' })]);
  await done();
  const taken = posts().filter(({ body }) => JSON.parse(body).length <= 2);
  expect(
    taken
      .flatMap(({ body }) => JSON.parse(body))
      .map(({ id }: { id: string }) => id)
      .sort(),
  ).toEqual([...ids].sort());
});

test('only and except choose events by exact values, and fields that are not named are null', async () => {
  const wanted = anEvent({ action: 'deleted', table_name: 'keys', context: { ip: '10.0.0.1' } });
  await rig.db.store([
    ...[
      wanted,
      anEvent({ action: 'deleted', table_name: 'teams' }),
      anEvent({ action: 'created', table_name: 'keys' }),
    ],
    anEvent({ action: 'deleted', table_name: 'keys', changed_by: 'robot' }),
  ]);
  const filters = { only: { action: ['deleted'], table_name: ['keys'] }, except: { changed_by: ['robot'] } };
  await rig.serve([soc({ body: 'ndjson', ...filters, fields: ['updated_values'] })]);
  await eventually(async () => expect(new Set(await rig.deliveries('soc'))).toEqual(new Set(['done'])));
  const sent = posts()
    .flatMap(({ body }) => body.trimEnd().split('\n'))
    .map((line) => JSON.parse(line));
  expect(sent).toEqual([
    expect.objectContaining({ id: wanted.id, before_value: null, updated_values: { max_budget: 25 }, context: null }),
  ]);
});

test('metrics count the requests of each destination, and its oldest row that waits', async () => {
  await rig.db.store(events);
  rig.receiver.answer = () => ({ status: 401 });
  const app = await rig.serve([soc({ body: 'array' })]);
  const { port } = await app.event('exporter-running');
  await app.event('destination-blocked');
  const metrics = async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  expect(await metrics()).toMatch(/^auditbox_destination_blocked\{destination="soc"\} 1$/m);
  expect(await metrics()).toMatch(
    /^auditbox_request_errors_total\{destination="soc",class="blocked",code="401"\} [1-9]/m,
  );
  rig.receiver.answer = () => ({ status: 200 });
  await done();
  expect(await metrics()).toMatch(/^auditbox_request_rows_total\{destination="soc"\} 5$/m);
});

test('a block ends when another exporter has sent every batch and the receiver answers, and not while a batch waits', async () => {
  rig.receiver.answer = ({ method }) => (method === 'POST' ? { status: 403 } : { status: 200 });
  const app = await rig.serve([soc({ body: 'array' })]);
  await app.event('destination-added');
  await rig.db.store(events);
  await app.event('destination-blocked');
  const posted = posts().length;
  // The receiver passes its check all the time. The batch that waits shows that it takes nothing.
  await eventually(() => expect(posts().length).toBeGreaterThan(posted + 3));
  expect(app.log.map(({ event }) => event)).not.toContain('destination-resumed');
  const elsewhere = await startHttpReceiver();
  await rig.serve([soc({ body: 'array', url: elsewhere.url })]);
  await done();
  await app.event('destination-resumed');
  await elsewhere.close();
});
