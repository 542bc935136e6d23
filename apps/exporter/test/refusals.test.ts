import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { expectExactlyOnce } from '@auditbox/testing/expectations/expect-exactly-once.ts';
import { startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import type { InsteadOf, SeenRequest } from '@auditbox/testing/proxies/s3-proxy.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, expect, test } from 'vitest';

let rig: ExporterFixture;
const events = someEvents(10, { updated_at: '2026-07-03T11:46:50Z' });
const ids = events.map(({ id }) => id);
const isUpload = ({ method, path }: SeenRequest) => method === 'PUT' && path.includes('.ndjson.gz');
const slowDown: InsteadOf = { status: 503, code: 'SlowDown' };
const accessDenied: InsteadOf = { status: 403, code: 'AccessDenied' };
const tooLarge: InsteadOf = { status: 400, code: 'EntityTooLarge' };

beforeEach(async () => {
  rig = await createExporterFixture();
  await rig.db.store(events);
});
afterEach(() => rig.close());

const uploads = () => rig.proxy.requests.filter(isUpload).length;
const refuse = (answer: InsteadOf | 'reset') => {
  rig.proxy.intervene = { before: (seen) => (isUpload(seen) ? answer : undefined) };
};

test('503 for a while, then 403, then healthy: nothing is lost and no batch fails', async () => {
  refuse(slowDown);
  const app = rig.start();
  await eventually(() => expect(uploads()).toBeGreaterThanOrEqual(3));
  expect(await rig.db.states()).not.toHaveProperty('failed');
  refuse(accessDenied);
  await app.event('export-blocked');
  const [before] = await rig.db.sql`select attempts from auditbox.delivery`;
  const probesBefore = uploads();
  await eventually(() => expect(uploads()).toBeGreaterThanOrEqual(probesBefore + 2));
  const [after] = await rig.db.sql`select attempts from auditbox.delivery`;
  expect(Number(after?.attempts)).toBeLessThanOrEqual(Number(before?.attempts) + 1);
  rig.proxy.intervene = {};
  await app.event('export-resumed');
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 10 }));
  await expectExactlyOnce(rig.bucket, ids);
  expect(app.log.filter(({ event }) => event === 'export-blocked')).toHaveLength(1);
});

test('while the destination refuses everything, one batch at a time probes and no attempt is used', async () => {
  for (let hour = 0; hour < 8; hour += 1) await rig.db.store([anEvent({ updated_at: `2026-07-03T0${hour}:00:00Z` })]);
  let open = 0;
  const openAtOnce: number[] = [];
  rig.proxy.intervene = {
    before: async (seen) => {
      if (!isUpload(seen)) return undefined;
      open += 1;
      openAtOnce.push(open);
      await rig.db.sql`select pg_sleep(0.05)`;
      open -= 1;
      return accessDenied;
    },
  };
  const app = rig.start([], { EXPORT_CONCURRENCY: '4', EXPORT_RETRY_CAP_MS: '300' });
  await eventually(() => expect(openAtOnce.length).toBeGreaterThanOrEqual(12));
  app.signal('SIGTERM');
  await app.ended;
  // Uploads that passed the gate before the first error may arrive late. After them, there is one at a time.
  expect(openAtOnce.slice(8).every((count) => count === 1)).toBe(true);
  expect(await rig.db.sql`select sum(attempts)::int as attempts from auditbox.delivery`).toEqual([{ attempts: 0 }]);
  expect(await rig.db.states()).toEqual({ sealed: 18 });
});

test.each([
  ['a connection that breaks', 'reset'],
  ['409', { status: 409, code: 'ConditionalRequestConflict' }],
  ['500', { status: 500, code: 'InternalError' }],
] as const)('%s: the upload is tried again until it works', async (_what, answer) => {
  refuse(answer);
  const app = rig.start();
  await app.event('upload-retried');
  rig.proxy.intervene = {};
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 10 }));
  await expectExactlyOnce(rig.bucket, ids);
});

test('an upload whose answer was lost is found and marked done, not sent under another key', async () => {
  let lost = 0;
  rig.proxy.intervene = {
    after: (seen) => {
      if (!isUpload(seen) || lost > 0) return undefined;
      lost += 1;
      return 'reset';
    },
  };
  expect(await (await rig.drain()).ended).toBe(0);
  expect(lost).toBe(1);
  await expectExactlyOnce(rig.bucket, ids);
  expect(await rig.db.sql`select attempts, state from auditbox.delivery`).toMatchObject([
    { attempts: 2, state: 'done' },
  ]);
});

test('an upload whose answer was lost is found under its own key after S3_PREFIX has changed', async () => {
  rig.proxy.intervene = { after: (seen) => (isUpload(seen) ? 'reset' : undefined) };
  const app = rig.start();
  await app.event('upload-retried');
  app.signal('SIGTERM');
  await app.ended;
  rig.proxy.intervene = {};
  expect(await (await rig.drain({ S3_PREFIX: 'elsewhere/' })).ended).toBe(0);
  await expectExactlyOnce(rig.bucket, ids);
  expect(await rig.bucket.objects()).toHaveLength(1);
});

test('another object under our key is never overwritten: the batch fails with that reason', async () => {
  rig.proxy.intervene = {
    before: async (seen) => {
      if (!isUpload(seen)) return undefined;
      rig.proxy.intervene = {};
      const [, Bucket, ...key] = decodeURIComponent(seen.path.split('?')[0] ?? '').split('/');
      await rig.bucket.client.send(new PutObjectCommand({ Bucket, Key: key.join('/'), Body: 'not ours' }));
      return undefined;
    },
  };
  expect(await (await rig.drain()).ended).toBe(2);
  const [batch] = await rig.db.sql`select state, last_error from auditbox.delivery`;
  expect(batch).toMatchObject({ state: 'failed', last_error: expect.stringContaining('holds another object') });
});

test('a permanent error fails the batch and no other; --replay-failed sends it', async () => {
  const other = anEvent({ updated_at: '2026-07-04T09:00:00Z' });
  await rig.db.store([other]);
  rig.proxy.intervene = {
    before: (seen) => (isUpload(seen) && seen.path.includes('hour%3D11') ? tooLarge : undefined),
  };
  expect(await (await rig.drain()).ended).toBe(2);
  expect(await rig.db.states()).toEqual({ done: 1, failed: 10 });
  rig.proxy.intervene = {};
  const replay = rig.start(['--replay-failed']);
  expect(await replay.ended).toBe(0);
  expect(replay.output()).toContain('10 of 10 rows sent, 0 failed again');
  await expectExactlyOnce(rig.bucket, [...ids, other.id]);
});

test('a row over EXPORT_BATCH_MAX_BYTES gets an object to itself, and delays no other row', async () => {
  const large = anEvent({ updated_at: '2026-07-03T11:10:00Z', updated_values: 'x'.repeat(20_000) });
  await rig.db.store([large]);
  expect(await (await rig.drain({ EXPORT_BATCH_MAX_BYTES: '10000' })).ended).toBe(0);
  await expectExactlyOnce(rig.bucket, [...ids, large.id]);
  const objects = await rig.bucket.objects();
  expect(objects.map(({ events: rows }) => rows.length).sort()).toEqual([1, 10]);
});

/** No INSERT can cause this; a damaged table can. */
async function loseAuditRow(id: string): Promise<void> {
  await rig.db.sql.unsafe('alter table auditbox.audit_log disable trigger audit_log_append_only').simple();
  await rig.db.sql`delete from auditbox.audit_log where id = ${id}`;
  await rig.db.sql.unsafe('alter table auditbox.audit_log enable always trigger audit_log_append_only').simple();
}

test('a row that cannot be rendered is rejected with its reason and the other rows are exported under their own time', async () => {
  const first = anEvent({ updated_at: '2026-07-03T11:01:00Z' });
  await rig.db.store([first]);
  await loseAuditRow(first.id);
  expect(await (await rig.drain()).ended).toBe(2);
  await expectExactlyOnce(rig.bucket, ids);
  const [object] = await rig.bucket.objects();
  expect(object).toMatchObject({
    key: expect.stringContaining('/114650_'),
    metadata: { 'first-event': '2026-07-03T11:46:50.000000Z' },
  });
  const rows = await rig.db.sql`select audit_id, last_error from auditbox.outbox_status where state = 'rejected'`;
  expect(rows).toEqual([{ audit_id: first.id, last_error: 'The event is not in the database any more.' }]);
});

test('a row that is damaged after a failed upload is rejected too', async () => {
  refuse(slowDown);
  const app = rig.start();
  await app.event('upload-retried');
  await loseAuditRow(ids[3] ?? '');
  rig.proxy.intervene = {};
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 9, rejected: 1 }));
  await expectExactlyOnce(
    rig.bucket,
    ids.filter((_, index) => index !== 3),
  );
});

test('a table that cannot be read for a while rejects no row', async () => {
  await rig.db.sql`alter table auditbox.audit_log rename to audit_log_away`;
  const app = rig.start();
  await app.event('database-unavailable');
  await rig.db.sql`alter table auditbox.audit_log_away rename to audit_log`;
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 10 }));
  await expectExactlyOnce(rig.bucket, ids);
});

test('an endpoint that is not an object store fails no batch', async () => {
  const captive = createServer(
    (_request, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>log in</html>'),
  );
  captive.listen(0, '127.0.0.1');
  await once(captive, 'listening');
  const app = rig.start([], { S3_ENDPOINT: `http://127.0.0.1:${(captive.address() as AddressInfo).port}` });
  await app.event('upload-retried', ({ code }) => code === 'NoETag');
  app.signal('SIGTERM');
  expect(await app.ended).toBe(0);
  captive.close();
  expect(await rig.db.states()).toEqual({ sealed: 10 });
});

test('--once ends although a writer continues', async () => {
  let writing = true;
  const writer = (async () => {
    while (writing) await rig.db.store(someEvents(1, { updated_at: '2026-07-05T00:00:00Z' }));
  })();
  const app = await rig.drain();
  writing = false;
  await writer;
  expect(await app.ended).toBe(0);
  const exported = (await rig.bucket.objects()).flatMap(({ events: rows }) => rows.map(({ id }) => id));
  expect(exported).toEqual(expect.arrayContaining(ids));
});

test('--replay-failed selects by time and batch, and --dry-run changes nothing', async () => {
  await rig.db.store([
    anEvent({ updated_at: '2026-07-04T09:00:00Z' }),
    anEvent({ updated_at: '2026-07-05T09:00:00Z' }),
  ]);
  refuse(tooLarge);
  await rig.drain();
  rig.proxy.intervene = {};
  const replay = async (...args: string[]) => {
    const app = rig.start(['--replay-failed', '--json', ...args]);
    const code = await app.ended;
    const result = JSON.parse(
      app
        .output()
        .split('\n')
        .find((line) => line.startsWith('{"dryRun"')) ?? 'null',
    );
    return { code, result };
  };
  const dry = await replay('--dry-run', '--from', '2026-07-04', '--to', '2026-07-04');
  expect(dry).toMatchObject({
    code: 0,
    result: { dryRun: true, batches: [{ partition: '2026-07-04T09', rows: 1 }], total: 1 },
  });
  expect(await rig.db.states()).toEqual({ failed: 12 });
  expect(await replay('--from', '2026-07-04T09:00:00Z', '--to', '2026-07-04T09:00:00Z')).toMatchObject({
    code: 0,
    result: { sent: 1 },
  });
  expect(await rig.db.states()).toEqual({ done: 1, failed: 11 });
  const [{ id }] = await rig.db.sql<
    [{ id: string }]
  >`select id::text from auditbox.batch where partition = '2026-07-05T09'`;
  expect(await replay('--batch', id)).toMatchObject({ code: 0, result: { sent: 1 } });
  expect(await rig.db.states()).toEqual({ done: 2, failed: 10 });
  expect(await replay()).toMatchObject({ code: 0, result: { total: 10, sent: 10 } });
  expect(await replay()).toMatchObject({ code: 0, result: { batches: [], rows: [], total: 0, sent: 0 } });
});

test('credentials that never arrive are a transient error, and do not delay a shutdown', async () => {
  // Stands in for an STS that accepts and never answers.
  const silent = createTcpServer(() => {});
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const app = rig.start([], {
    S3_ROLE_ARN: 'arn:aws:iam::123456789012:role/exporter',
    AWS_ENDPOINT_URL_STS: `http://127.0.0.1:${(silent.address() as AddressInfo).port}`,
    S3_REQUEST_TIMEOUT_MS: '500',
  });
  await app.event('upload-retried', ({ msg }) => /did not answer within 500 ms/.test(msg));
  app.signal('SIGTERM');
  expect(await app.ended).toBe(0);
  expect(await rig.db.states()).toEqual({ sealed: 10 });
  silent.close();
});

test('when the answer of an upload is lost and then a row, the existing object is the batch', async () => {
  loseAnswers();
  const app = rig.start();
  await app.event('upload-retried');
  await loseAuditRow(ids[3] ?? '');
  rig.proxy.intervene = {};
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 10 }));
  await expectExactlyOnce(rig.bucket, ids);
  expect(await rig.bucket.objects()).toHaveLength(1);
});

test('a batch that failed for its key can be replayed under another prefix', async () => {
  refuse({ status: 400, code: 'KeyTooLongError' });
  await rig.drain();
  expect(await rig.db.states()).toEqual({ failed: 10 });
  rig.proxy.intervene = {};
  expect(await rig.start(['--replay-failed'], { S3_PREFIX: 'short/' }).ended).toBe(0);
  await expectExactlyOnce(rig.bucket, ids);
  expect((await rig.bucket.objects())[0]?.key).toMatch(/^short\/dt=2026-07-03\//);
});

test('a drain without a region stops with its reason, and uses no attempt', async () => {
  const app = await rig.drain({ S3_ENDPOINT: '', S3_REGION: '' });
  expect(await app.ended).toBe(1);
  expect(app.output()).toContain('The region of the bucket is not known: set S3_REGION');
  expect(await rig.db.states()).toEqual({ pending: 10 });
});

test('a store that reports a missing object as forbidden is reported at start', async () => {
  rig.proxy.intervene = { before: ({ method }) => (method === 'HEAD' ? accessDenied : undefined) };
  const app = await rig.drain();
  expect(await app.ended).toBe(0);
  expect(app.output()).toContain('lack s3:ListBucket');
});

test('a replay by the command line and one by the page at the same moment send each event once and add up', async () => {
  const others = Array.from({ length: 5 }, (_, hour) => anEvent({ updated_at: `2026-07-03T0${hour}:00:00Z` }));
  await rig.db.store(others);
  refuse({ status: 400, code: 'KeyTooLongError' });
  await rig.drain();
  expect(await rig.db.states()).toEqual({ failed: 15 });
  rig.proxy.intervene = {};
  const api = await startApi(urlAs('api', rig.db.url));
  const { promise: isHeld, resolve: reportHeld } = Promise.withResolvers<void>();
  const { promise: mayGoOn, resolve: letGoOn } = Promise.withResolvers<void>();
  const held = rig.db.sql.begin(async (tx) => {
    await tx`select from auditbox.delivery for update`;
    reportHeld();
    await mayGoOn;
  });
  await isHeld;
  const command = rig.start(['--replay-failed', '--json']);
  const page = api.request('/exports/replay', { body: { destination: 's3' } });
  // Both have found the same batches, and wait to change them.
  await eventually(async () => {
    const [row] = await rig.db.sql<[{ n: number }]>`
      select count(*)::int as n from pg_stat_activity
      where wait_event_type = 'Lock' and query ~ 'auditbox.replay_failed' and datname = current_database()`;
    expect(row.n).toBe(2);
  });
  letGoOn();
  await held;
  const { status, body } = await page;
  expect(status).toBe(200);
  expect(await command.ended).toBe(0);
  const printed = JSON.parse(/^\{.*"total".*$/m.exec(command.output())?.[0] ?? '{}');
  expect(printed).toMatchObject({ sent: printed.total, failedAgain: 0, underWay: 0, byAnother: body.events });
  expect(printed.total + body.events).toBe(15);
  expect(body.batches).toBe(body.events === 0 ? 0 : 6);
  // What the page took on, a running exporter sends.
  await rig.drain();
  // The event that says who replayed, too.
  const stored = await rig.db.sql<{ id: string }[]>`select id from auditbox.audit_log`;
  expect(stored).toHaveLength(body.events === 0 ? 15 : 16);
  await expectExactlyOnce(
    rig.bucket,
    stored.map(({ id }) => id),
  );
});

test('a replay that is blocked ends with 1 and prints its progress', async () => {
  refuse(tooLarge);
  await rig.drain();
  refuse(accessDenied);
  const app = rig.start(['--replay-failed', '--json']);
  expect(await app.ended).toBe(1);
  expect(app.output()).toContain('"total":10,"sent":0,"failedAgain":0,"underWay":10');
});

function loseAnswers(): void {
  rig.proxy.intervene = { after: (seen) => (isUpload(seen) ? 'reset' : undefined) };
}

test.each([
  ['EntityTooLarge', { status: 400, code: 'EntityTooLarge' }],
  ['a 413 of a proxy', { status: 413, code: 'RequestEntityTooLarge' }],
] as const)(
  'an object that is too large (%s) fails alone, with the setting that makes smaller ones',
  async (_what, answer) => {
    rig.proxy.intervene = {
      before: ({ method, body }) => (method === 'PUT' && body.length > 20_000 ? answer : undefined),
    };
    const large = { note: randomBytes(40_000).toString('base64') };
    await rig.db.store([anEvent({ updated_at: '2026-07-04T07:00:00Z', updated_values: large })]);
    const app = await rig.drain();
    expect(await app.ended).toBe(2);
    expect(app.log.find(({ event }) => event === 'batch-failed')?.msg).toContain('EXPORT_BATCH_MAX_BYTES');
    expect(app.log.map(({ event }) => event)).not.toContain('export-blocked');
    expect(await rig.db.states()).toEqual({ done: 10, failed: 1 });
  },
);

test('a store that does not support If-None-Match is named by that, not by settings that have nothing to do with it', async () => {
  rig.proxy.intervene = {
    before: ({ headers }) =>
      headers['if-none-match'] === undefined
        ? undefined
        : { status: 501, code: 'NotImplemented', message: 'A header is not implemented: If-None-Match' },
  };
  const app = await rig.drain();
  expect(await app.ended).toBe(1);
  expect(app.output()).toContain('does not support If-None-Match');
  expect(app.output()).not.toContain('S3_STORAGE_CLASS');
});

test('Object Lock in the settings and not in the bucket is said so, and blocks without using an attempt', async () => {
  rig.proxy.intervene = {
    before: ({ headers }) =>
      headers['x-amz-object-lock-mode'] === undefined
        ? undefined
        : { status: 400, code: 'InvalidRequest', message: 'Bucket is missing Object Lock Configuration' },
  };
  const app = await rig.drain({ S3_OBJECT_LOCK_MODE: 'GOVERNANCE', S3_OBJECT_LOCK_DAYS: '1' });
  expect(await app.ended).toBe(1);
  expect(app.output()).toContain('S3_OBJECT_LOCK_MODE is set, but the bucket');
  const [attempts] = await rig.db.sql`select coalesce(max(attempts), 0)::int as most from auditbox.delivery`;
  expect(attempts?.most).toBe(0);
});

// Garage answers AccessDenied to a key that it does not have, R2 Unauthorized, and MinIO InvalidTokenId to a token.
test.each([
  [403, 'InvalidAccessKeyId'],
  [403, 'AccessDenied'],
  [401, 'Unauthorized'],
  [403, 'InvalidTokenId'],
])(
  'credentials in a file are read again when the store answers %i %s: a rotation needs no restart',
  async (status, code) => {
    const file = join(await mkdtemp(join(tmpdir(), 'credentials-')), 'credentials');
    const write = (id: string) =>
      writeFile(file, `[default]\naws_access_key_id = ${id}\naws_secret_access_key = secret-of-${id}\n`);
    await write('OLDKEY');
    rig.proxy.intervene = {
      before: ({ headers }) =>
        String(headers.authorization).includes('Credential=OLDKEY/') ? { status, code } : undefined,
    };
    const settings = { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_SHARED_CREDENTIALS_FILE: file };
    const app = rig.start([], { ...settings, EXPORT_RETRY_CAP_MS: '100' });
    await app.event('export-blocked');
    await write('NEWKEY');
    await app.event('export-resumed');
    await eventually(async () => expect(await rig.db.states()).toEqual({ done: 10 }));
  },
);
