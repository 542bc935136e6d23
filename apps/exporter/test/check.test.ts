import { randomBytes } from 'node:crypto';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import type { InsteadOf, SeenRequest } from '@auditbox/testing/proxies/s3-proxy.ts';
import { createTestDatabase } from '@auditbox/testing/servers/template-database.ts';
import { type StsStub, startStsStub } from '@auditbox/testing/stubs/sts-stub.ts';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import type { Finding } from '../src/diagnose/finding.ts';

/* `npm run exporter -- --check` reports what works, what does not, and what to do. */

let rig: ExporterFixture;
let sts: StsStub;
const isPut = ({ method }: SeenRequest) => method === 'PUT';
const forbidden: InsteadOf = { status: 403, code: 'AccessDenied' };

beforeEach(async () => {
  rig = await createExporterFixture();
  sts = await startStsStub();
});
afterEach(async () => {
  await rig.close();
  sts.close();
});

async function check(settings: Record<string, string> = {}) {
  const app = rig.start(['--check', '--json'], { LOG_LEVEL: 'fatal', ...settings });
  const code = await app.ended;
  const { ok, findings } = JSON.parse(app.output()) as { ok: boolean; findings: Finding[] };
  const about = (what: string) => findings.find((finding) => finding.what === what);
  return { code, ok, findings, about, output: app.output() };
}

const keys = async () => {
  const { Contents = [] } = await rig.bucket.client.send(new ListObjectsV2Command({ Bucket: rig.bucket.name }));
  return Contents.map(({ Key }) => Key);
};

test('when everything works it reports so, in words and in JSON, leaves one object each time, and exits with 0', async () => {
  const words = rig.start(['--check'], { LOG_LEVEL: 'fatal' });
  expect(await words.ended).toBe(0);
  expect(words.output()).toContain('pass     credentials: Found in the environment (AWS_ACCESS_KEY_ID).');
  expect(words.output()).toMatch(/\nwarn: 17 pass, 1 unknown, 2 warn\n$/);
  const { code, ok, findings, about, output } = await check();
  expect({ code, ok }).toEqual({ code: 0, ok: true });
  expect(findings.filter(({ needed, state }) => needed && state !== 'pass')).toEqual([]);
  expect(findings.map(({ what }) => what)).toEqual([
    'database',
    'schema',
    'disk',
    'tables',
    'triggers',
    'tampering',
    'captured tables',
    'exports',
    'months',
    'credentials',
    'bucket',
    'create',
    'create only',
    'missing objects',
    'find',
    'encryption',
    'object lock',
    'read',
    'versions',
    'clocks',
  ]);
  // A request that a busy machine makes wait looks like a clock that is a few seconds off.
  expect(about('clocks')?.says).toMatch(
    /^Compared with this machine's clock, the database's is (less than a second off|\d s \w+) and the store's is (less than a second off|\d s \w+)\.$/,
  );
  expect(await keys()).toEqual([
    expect.stringMatching(/^audit_logs\/_auditbox_check_[\w-]{36}$/),
    expect.stringMatching(/^audit_logs\/_auditbox_check_[\w-]{36}$/),
  ]);
  expect(output).not.toMatch(/TESTSECRET|TESTKEY/);
  expect(output).not.toContain(new URL(rig.env.DATABASE_URL ?? '').password);
});

test('a store that refuses each condition, also when nothing is there, cannot be exported to', async () => {
  rig.proxy.intervene = {
    before: (seen) => (isPut(seen) ? { status: 412, code: 'PreconditionFailed' } : undefined),
  };
  const { code, about } = await check();
  expect(code).toBe(1);
  expect(about('create')).toMatchObject({
    state: 'fail',
    says: expect.stringContaining('refuses to create an object'),
  });
});

test('it exports nothing and changes no row', async () => {
  await check();
  expect(await rig.db.sql`select * from auditbox.delivery`).toHaveLength(0);
});

test.each([
  ['by itself', 's3:PutObject', {}],
  [
    'with a lock and a key',
    's3:PutObject, s3:PutObjectRetention, kms:GenerateDataKey',
    { S3_OBJECT_LOCK_MODE: 'GOVERNANCE', S3_OBJECT_LOCK_DAYS: '1', S3_SSE: 'aws:kms' },
  ],
])('a forbidden PUT %s names %s, and where to allow it', async (_how, permission, settings) => {
  rig.proxy.intervene = { before: (seen) => (isPut(seen) ? forbidden : undefined) };
  const { code, about } = await check(settings as Record<string, string>);
  expect(code).toBe(1);
  expect(about('create')).toMatchObject({ state: 'fail', needed: true, permission });
  expect(about('create')?.advice).toContain(`Allow it on arn:aws:s3:::${rig.bucket.name}/audit_logs/*`);
  expect(about('create only')).toMatchObject({ state: 'unknown' });
});

test('a permission that the store names itself is the one that is reported', async () => {
  rig.proxy.intervene = {
    before: (seen) =>
      isPut(seen) ? { ...forbidden, message: 'You may not perform: kms:GenerateDataKey on it' } : undefined,
  };
  const { about } = await check({ S3_SSE: 'aws:kms' });
  expect(about('create')?.permission).toBe('kms:GenerateDataKey');
});

test.each([
  ['s3:GetObject is missing', 'find', /_check_[\w-]+$/, /s3:GetObject/],
  ['s3:ListBucket is missing', 'missing objects', /_missing$/, /s3:ListBucket/],
])('when %s, "%s" is reported as not working', async (_what, what, path, permission) => {
  rig.proxy.intervene = {
    before: ({ method, path: key }) => (method === 'HEAD' && path.test(key) ? forbidden : undefined),
  };
  const { code, about } = await check();
  expect(code).toBe(1);
  expect(about(what)).toMatchObject({ state: 'fail', permission: expect.stringMatching(permission) });
});

test('what the credentials may not read about the bucket is unknown, and no failure', async () => {
  rig.proxy.intervene = {
    before: ({ method, path }) =>
      path === `/${rig.bucket.name}` || path === `/${rig.bucket.name}/` || /versioning|object-lock/.test(path)
        ? method === 'PUT'
          ? undefined
          : forbidden
        : undefined,
  };
  const { code, about } = await check();
  expect(about('bucket')).toMatchObject({ state: 'unknown', permission: 's3:ListBucket' });
  expect(about('versions')).toMatchObject({ state: 'unknown', permission: 's3:GetBucketVersioning' });
  expect(about('object lock')).toMatchObject({ state: 'unknown', permission: 's3:GetBucketObjectLockConfiguration' });
  expect(code).toBe(0);
});

test('an object that cannot be read back is reported, and is no failure', async () => {
  rig.proxy.intervene = {
    before: ({ method, path }) => (method === 'GET' && path.includes('_auditbox_check_') ? forbidden : undefined),
  };
  const { code, about } = await check();
  expect(about('read')).toMatchObject({ state: 'warn', needed: false });
  expect(code).toBe(0);
});

test('a store that ignores If-None-Match fails the check', async () => {
  const { code, about } = await check({ S3_ENDPOINT: inject('s3Endpoint') });
  expect(about('create only')).toMatchObject({ state: 'fail', needed: true });
  expect(code).toBe(1);
});

test('a bucket that does not exist is named, and no other request is sent to it', async () => {
  const S3_BUCKET = `nowhere-${randomBytes(6).toString('hex')}`;
  const { code, about } = await check({ S3_BUCKET });
  expect(code).toBe(1);
  expect(about('bucket')).toMatchObject({ state: 'fail', says: expect.stringContaining('does not exist') });
  expect(about('create')).toMatchObject({ state: 'unknown', needed: true });
  expect(rig.proxy.requests.filter(isPut)).toHaveLength(0);
});

test.each([
  [{}, 'The region of the bucket is not known: set S3_REGION (or AWS_REGION).'],
  [{ AWS_REGION: '' }, 'The region of the bucket is not known: set S3_REGION (or AWS_REGION).'],
  [{ AWS_REGION: 'no region' }, 'The region of the bucket is not valid: correct S3_REGION (or AWS_REGION).'],
])('a bucket at AWS without a valid region is reported with the setting that names it: %j', async (settings, says) => {
  const { code, about } = await check({ S3_ENDPOINT: '', S3_REGION: '', ...(settings as Record<string, string>) });
  expect(code).toBe(1);
  expect(about('bucket')).toMatchObject({
    state: 'fail',
    says: expect.stringContaining(says),
  });
  expect(about('create')).toMatchObject({ state: 'unknown', needed: true });
});

test('a bucket in another region is reported with the region to set', async () => {
  rig.proxy.intervene = {
    before: () => ({ status: 301, code: 'PermanentRedirect', headers: { 'x-amz-bucket-region': 'eu-central-1' } }),
  };
  const { about } = await check();
  expect(about('bucket')).toMatchObject({ state: 'fail', advice: 'Set S3_REGION to eu-central-1.' });
});

test.each([
  [
    'no credentials',
    { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', HOME: '/nowhere' },
    /No credentials were found/,
  ],
  ['a role that may not be assumed', { S3_ROLE_ARN: 'arn:aws:iam::1:role/r' }, /could not be assumed/],
])('%s ends the check before the store', async (_what, settings, says) => {
  sts.answers = 'denial';
  const { code, about } = await check({
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_ENDPOINT_URL_STS: sts.endpoint,
    ...(settings as Record<string, string>),
  });
  expect(code).toBe(1);
  expect(about('credentials')).toMatchObject({ state: 'fail', says: expect.stringMatching(says) });
  expect(rig.proxy.requests).toHaveLength(0);
});

// S3 answers 400 to a HEAD with an expired token, and 403 to one with a wrong key, both without a word.
test.each([
  [400, 'ExpiredToken', /^The credentials have expired/],
  [403, 'InvalidAccessKeyId', /rejects the access key id/],
  [403, 'SignatureDoesNotMatch', /rejects the signature/],
] as const)(
  'credentials that the store refuses with %i %s are named, not a missing right',
  async (status, code, says) => {
    rig.proxy.intervene = { before: () => ({ status, code }) };
    const checked = await check();
    expect(checked.about('bucket')).toMatchObject({ state: 'fail', says: expect.stringMatching(says) });
    expect(checked.code).toBe(1);
  },
);

test('the role in use is named, with the expiry of its credentials, and no secret', async () => {
  const { about, output } = await check({ S3_ROLE_ARN: 'arn:aws:iam::1:role/r', S3_STS_ENDPOINT: sts.endpoint });
  expect(about('credentials')?.says).toMatch(/the role arn:aws:iam::1:role\/r \(S3_ROLE_ARN\)\. They expire at 20/);
  expect(output).not.toMatch(/temporary-|ASIA/);
});

test('the expected owner is sent with each request', async () => {
  await check({ S3_EXPECTED_BUCKET_OWNER: '123456789012' });
  expect(rig.proxy.requests.length).toBeGreaterThan(6);
  for (const { headers } of rig.proxy.requests) {
    expect(headers['x-amz-expected-bucket-owner']).toBe('123456789012');
  }
});

test('requested encryption that an object lacks is a failure', async () => {
  const { code, about } = await check({ S3_SSE: 'aws:kms' });
  expect(about('encryption')).toMatchObject({ state: 'fail', says: expect.stringContaining('aws:kms') });
  expect(code).toBe(1);
});

test('a database that is down, or whose schema is missing or old, is reported; the store is checked all the same', async () => {
  const down = await check({ DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nothing' });
  expect(down.about('database')).toMatchObject({ state: 'fail' });
  expect(down.about('create')).toMatchObject({ state: 'pass' });
  const empty = await check({ DATABASE_URL: await createTestDatabase(inject('databaseServer'), { empty: true }) });
  expect(empty.about('schema')).toMatchObject({ state: 'fail', advice: 'Run `npm run migrate`.' });
  await rig.db.sql`
    delete from auditbox.migration where tag = (select max(tag collate "C") from auditbox.migration)`;
  const old = await check();
  expect(old.about('schema')).toMatchObject({ state: 'fail', advice: 'Run `npm run migrate`.' });
  for (const { code } of [down, empty, old]) expect(code).toBe(1);
});

test('clocks that differ are reported', async () => {
  rig.proxy.intervene = {
    before: ({ method }) =>
      method === 'HEAD'
        ? { status: 403, code: 'AccessDenied', headers: { date: 'Wed, 01 Jul 2026 00:00:00 GMT' } }
        : undefined,
  };
  const { about } = await check();
  expect(about('clocks')).toMatchObject({
    state: 'fail',
    says: expect.stringMatching(/the store's is \d+ s behind/),
  });
});

test('a store that does not answer is reported after S3_REQUEST_TIMEOUT_MS, once', async () => {
  rig.proxy.intervene = { before: () => 'silence' };
  const { code, about } = await check({ S3_REQUEST_TIMEOUT_MS: '500' });
  expect(code).toBe(1);
  expect(about('bucket')).toMatchObject({ says: `${rig.proxy.endpoint} did not answer within 500 ms.` });
  expect(rig.proxy.requests).toHaveLength(1);
});
