import { randomBytes } from 'node:crypto';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { expectExactlyOnce } from '@auditbox/testing/expectations/expect-exactly-once.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { startTcpProxy } from '@auditbox/testing/proxies/tcp-proxy.ts';
import { createTestDatabase } from '@auditbox/testing/servers/template-database.ts';
import { CreateBucketCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';

let rig: ExporterFixture;
const events = someEvents(3);
const ids = events.map(({ id }) => id);

beforeEach(async () => {
  rig = await createExporterFixture();
  await rig.db.store(events);
});
afterEach(() => rig.close());

test('missing and wrong settings stop it at once, all named with what they accept', async () => {
  const app = rig.start([], {
    S3_BUCKET: '',
    EXPORT_PARTITION: 'week',
    EXPORT_CONCURRENCY: '0',
    DATABASE_URL: 'nowhere',
  });
  expect(await app.ended).toBe(1);
  expect(app.output()).toContain('S3_BUCKET is not set; it must be');
  expect(app.output()).toContain('EXPORT_PARTITION is "week"; it must be hour or day.');
  expect(app.output()).toContain('EXPORT_CONCURRENCY is "0"; it must be a whole number from 1 to 64.');
  expect(app.output()).toContain('DATABASE_URL: it is not of the form postgres://user:password@host:5432/database.');
});

test.each([
  [{ EXPORT_LEASE_MS: '59999' }, 'EXPORT_LEASE_MS is 59999; it must be at least twice S3_REQUEST_TIMEOUT_MS (30000)'],
  [{ S3_OBJECT_LOCK_MODE: 'COMPLIANCE' }, 'Only one of S3_OBJECT_LOCK_MODE and S3_OBJECT_LOCK_DAYS is set'],
  [{ EXPORT_CONCURRENCY: '64', EXPORT_BATCH_MAX_BYTES: '268435456' }, 'at most 1073741824 bytes may be in flight'],
  [{ S3_SSE_KMS_KEY_ID: 'k', S3_SSE: 'AES256' }, 'it needs S3_SSE=aws:kms'],
])('settings that contradict each other stop it: %j', async (settings, sentence) => {
  const app = rig.start([], settings as Record<string, string>);
  expect(await app.ended).toBe(1);
  expect(app.output()).toContain(sentence);
});

test.each([
  [['--help'], 0, '--replay-failed'],
  [['--nonsense'], 1, "unknown option '--nonsense'"],
  [['--from', '2026-07-03'], 1, 'need --replay-failed, --verify or --evidence'],
  [['--check', '--once'], 1, 'exclude each other'],
  [['--doctor', '--check'], 1, 'exclude each other'],
  [['--max-open', '5'], 1, 'needs --doctor'],
  [['--doctor', '--max-open', 'x'], 1, 'Expected a whole number of seconds'],
  [['--once', '--replay-failed'], 1, 'exclude each other'],
  [['--replay-failed', '--from', 'yesterday'], 1, 'Expected a date'],
  [['--replay-failed', '--from', '2026-07-04', '--to', '2026-07-03'], 1, '--from is after --to'],
  [['--verify', '--from', '2026-07-04', '--to', '2026-07-03T23:59:59Z'], 1, '--from is after --to'],
  [['--replay-failed', '--batch', 'x'], 1, 'Expected the number of a batch'],
])('%j ends with %i and prints what is accepted', async (args, code, words) => {
  const app = rig.start(args);
  expect(await app.ended).toBe(code);
  expect(app.output()).toContain(words);
});

test('a bucket that does not exist is named in one sentence; once it is made, everything is exported', async () => {
  const Bucket = `later-${randomBytes(6).toString('hex')}`;
  const drain = await rig.drain({ S3_BUCKET: Bucket });
  expect(await drain.ended).toBe(1);
  expect(drain.output()).toContain(`The bucket \\"${Bucket}\\" does not exist at ${rig.proxy.endpoint} (S3_BUCKET).`);
  const app = rig.start([], { S3_BUCKET: Bucket });
  await app.event('export-blocked');
  await rig.bucket.client.send(new CreateBucketCommand({ Bucket }));
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 3 }));
});

test.each([
  ['InvalidAccessKeyId', 403, 'rejects the access key id'],
  ['SignatureDoesNotMatch', 403, 'the secret key is wrong'],
  ['AccessDenied', 403, 'The credentials lack a permission at s3://'],
  ['ExpiredToken', 400, 'The credentials have expired.'],
  ['PermanentRedirect', 301, 'is in another region (S3_REGION)'],
])('%s is explained in one sentence', async (code, status, sentence) => {
  rig.proxy.intervene = { before: () => ({ status, code }) };
  const drain = await rig.drain();
  expect(await drain.ended).toBe(1);
  expect(drain.output()).toContain(sentence);
});

test('missing credentials are explained and lose nothing', async () => {
  const none = {
    AWS_ACCESS_KEY_ID: '',
    AWS_SECRET_ACCESS_KEY: '',
    AWS_EC2_METADATA_DISABLED: 'true',
    HOME: '/nowhere',
  };
  const drain = await rig.drain(none);
  expect(await drain.ended).toBe(1);
  expect(drain.output()).toContain('No credentials were found');
  expect(await rig.db.states()).toEqual({ pending: 3 });
});

test('a store that ignores If-None-Match is reported', async () => {
  const app = await rig.drain({ S3_ENDPOINT: inject('s3Endpoint') });
  expect(await app.ended).toBe(0);
  expect(app.output()).toContain('The store ignores If-None-Match');
});

test('the start-up probe is one object of a fixed key, written once for all starts', async () => {
  for (let starts = 0; starts < 2; starts += 1) {
    const app = rig.start();
    await app.event('bucket-checked');
    app.signal('SIGTERM');
    await app.ended;
  }
  const puts = rig.proxy.answers.filter(({ method, path }) => method === 'PUT' && path.includes('_auditbox_probe'));
  expect(new Set(puts.map(({ path }) => path)).size).toBe(1);
  expect(puts.map(({ status }) => status)).toEqual([200, 412, 412]);
});

test('every upload is create-only, with a checksum, as gzip and without a content encoding', async () => {
  await rig.drain({
    S3_SSE: 'aws:kms',
    S3_SSE_KMS_KEY_ID: 'key-1',
    S3_STORAGE_CLASS: 'STANDARD_IA',
    S3_EXPECTED_BUCKET_OWNER: '123456789012',
  });
  const [upload] = rig.proxy.requests.filter(({ path }) => path.includes('.ndjson.gz'));
  expect(upload?.headers).toMatchObject({
    'if-none-match': '*',
    'content-type': 'application/gzip',
    'x-amz-checksum-sha256': expect.stringMatching(/^[\w+/]{43}=$/),
    'x-amz-server-side-encryption': 'aws:kms',
    'x-amz-server-side-encryption-aws-kms-key-id': 'key-1',
    'x-amz-storage-class': 'STANDARD_IA',
    'x-amz-expected-bucket-owner': '123456789012',
  });
  expect(upload?.headers).not.toHaveProperty('content-encoding');
});

test('a database that is down at start, and again later, is logged and waited for, and the export resumes', async () => {
  const { hostname: host, port } = new URL(rig.db.url);
  const proxy = await startTcpProxy({ host, port: Number(port) });
  const url = new URL(rig.env.DATABASE_URL ?? '');
  url.port = String(proxy.port);
  await proxy.down();
  const app = rig.start([], { DATABASE_URL: url.href });
  await app.event('database-unavailable');
  await proxy.up();
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 3 }));
  const seen = app.log.length;
  await proxy.down();
  const more = someEvents(2);
  await rig.db.store(more);
  await eventually(() => expect(app.log.slice(seen).some(({ event }) => event === 'database-unavailable')).toBe(true));
  await proxy.up();
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 5 }));
  await expectExactlyOnce(rig.bucket, [...ids, ...more.map(({ id }) => id)]);
  app.signal('SIGTERM');
  expect(await app.ended).toBe(0);
  await proxy.down();
});

test('an empty database is reported with the command to run', async () => {
  const drain = await rig.drain({ DATABASE_URL: await createTestDatabase(inject('databaseServer'), { empty: true }) });
  expect(await drain.ended).toBe(1);
  expect(drain.output()).toContain('Run `npm run migrate`');
});

test('no secret reaches the log', async () => {
  const secret = 'hunter2hunter2hunter2';
  rig.proxy.intervene = { before: () => ({ status: 403, code: 'SignatureDoesNotMatch' }) };
  const app = await rig.drain({ AWS_SECRET_ACCESS_KEY: secret, LOG_LEVEL: 'trace' });
  const password = new URL(rig.env.DATABASE_URL ?? '').password;
  expect(app.output()).not.toContain(secret);
  expect(app.output()).not.toContain(password);
});
