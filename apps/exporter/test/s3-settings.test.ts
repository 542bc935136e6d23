import { createHash } from 'node:crypto';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import type { SeenRequest } from '@auditbox/testing/proxies/s3-proxy.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

/* How the settings change the requests that the store receives. */

let rig: ExporterFixture;
const isUpload = ({ method, path }: SeenRequest) => method === 'PUT' && path.includes('.ndjson.gz');
const uploads = () => rig.proxy.requests.filter(isUpload);

beforeEach(async () => {
  rig = await createExporterFixture();
  await rig.db.store(someEvents(3));
});
afterEach(() => rig.close());

test('all wrong settings are named at once, combinations included', async () => {
  const app = rig.start([], {
    S3_SSE: 'AES256',
    S3_SSE_KMS_KEY_ID: 'key-1',
    S3_OBJECT_LOCK_MODE: 'COMPLIANCE',
    S3_CHECKSUM: 'none',
    S3_ROLE_EXTERNAL_ID: 'hunter2',
    S3_STS_ENDPOINT: 'http://127.0.0.1:1',
    S3_EXPECTED_BUCKET_OWNER: '12345',
    S3_CA_FILE: '/nowhere/ca.pem',
    HTTPS_PROXY: 'socks://user:hunter2@proxy:1080',
    S3_CONNECTION_TIMEOUT_MS: '2000',
    S3_REQUEST_TIMEOUT_MS: '1000',
    EXPORT_PARTITION: 'week',
  });
  expect(await app.ended).toBe(1);
  for (const sentence of [
    'S3_SSE_KMS_KEY_ID is set; it needs S3_SSE=aws:kms.',
    'Only one of S3_OBJECT_LOCK_MODE and S3_OBJECT_LOCK_DAYS is set; set both or neither.',
    'S3_CHECKSUM is "none"; S3_OBJECT_LOCK_MODE needs sha256 or md5',
    'S3_ROLE_EXTERNAL_ID is set; it needs S3_ROLE_ARN.',
    'S3_STS_ENDPOINT is set; it needs S3_ROLE_ARN.',
    'S3_EXPECTED_BUCKET_OWNER is "12345"; it must be an AWS account id of 12 digits.',
    'S3_CA_FILE is "/nowhere/ca.pem"; it must be a file of certificates in PEM.',
    'HTTPS_PROXY has an invalid value (not shown, because it is secret); it must be a URL such as http://proxy:3128.',
    'S3_CONNECTION_TIMEOUT_MS is 2000; it must be at most S3_REQUEST_TIMEOUT_MS (1000).',
    'EXPORT_PARTITION is "week"',
  ]) {
    expect(app.output()).toContain(sentence);
  }
  expect(app.output()).not.toContain('hunter2');
});

test('a wrong setting is named once, not in a combination too', async () => {
  const app = rig.start([], { S3_OBJECT_LOCK_MODE: 'COMPLIANCE', S3_OBJECT_LOCK_DAYS: 'ten' });
  expect(await app.ended).toBe(1);
  expect(app.output()).toContain('S3_OBJECT_LOCK_DAYS is "ten"');
  expect(app.output()).not.toContain('S3_OBJECT_LOCK_MODE');
});

test('encryption, storage class and Object Lock are requested for each object, also in a retry', async () => {
  let lost = 0;
  rig.proxy.intervene = {
    before: (seen) => {
      if (!isUpload(seen) || lost > 0) return undefined;
      lost += 1;
      return { status: 503, code: 'SlowDown' };
    },
  };
  const drain = await rig.drain({
    S3_SSE: 'aws:kms',
    S3_SSE_KMS_KEY_ID: 'key-1',
    S3_STORAGE_CLASS: 'GLACIER_IR',
    S3_OBJECT_LOCK_MODE: 'COMPLIANCE',
    S3_OBJECT_LOCK_DAYS: '2557',
  });
  expect(await drain.ended).toBe(0);
  expect(uploads()).toHaveLength(2);
  for (const { headers } of uploads()) {
    expect(headers).toMatchObject({
      'if-none-match': '*',
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': 'key-1',
      'x-amz-storage-class': 'GLACIER_IR',
      'x-amz-object-lock-mode': 'COMPLIANCE',
    });
    const until = Date.parse(String(headers['x-amz-object-lock-retain-until-date']));
    expect(Math.abs(until - Date.now() - 2557 * 86_400_000)).toBeLessThan(60_000);
  }
});

test('SSE-S3 is requested by its name, without a key', async () => {
  expect(await (await rig.drain({ S3_SSE: 'AES256' })).ended).toBe(0);
  expect(uploads()[0]?.headers).toMatchObject({ 'x-amz-server-side-encryption': 'AES256' });
  expect(uploads()[0]?.headers).not.toHaveProperty('x-amz-server-side-encryption-aws-kms-key-id');
});

test('a setting that is not set sends no header', async () => {
  expect(await (await rig.drain()).ended).toBe(0);
  const names = Object.keys(uploads()[0]?.headers ?? {}).join();
  expect(names).toContain('if-none-match');
  expect(names).not.toMatch(/encryption|storage-class|object-lock|bucket-owner/);
});

test('the expected owner is named in every request: PUT, HEAD and GET', async () => {
  let lost = 0;
  rig.proxy.intervene = {
    after: (seen) => {
      if (!isUpload(seen) || lost > 0) return undefined;
      lost += 1;
      return 'reset';
    },
  };
  expect(await (await rig.drain({ S3_EXPECTED_BUCKET_OWNER: '123456789012' })).ended).toBe(0);
  const seen = rig.proxy.requests;
  expect(new Set(seen.map(({ method }) => method))).toEqual(new Set(['PUT', 'HEAD', 'GET']));
  for (const { headers } of seen) expect(headers['x-amz-expected-bucket-owner']).toBe('123456789012');
});

test.each([
  ['sha256', { 'x-amz-checksum-sha256': 'sha256' }],
  ['md5', { 'content-md5': 'md5' }],
  ['none', {}],
])('S3_CHECKSUM=%s sends this checksum and no other, and the signature always covers the body', async (kind, sent) => {
  await rig.db.store(
    Array.from({ length: 5 }, () => anEvent({ updated_at: '2026-07-03T11:00:00Z', updated_values: noise(800_000) })),
  );
  expect(await (await rig.drain({ S3_CHECKSUM: kind })).ended).toBe(0);
  expect(uploads().some(({ body }) => body.length > 2 * 1024 ** 2)).toBe(true);
  for (const { headers, body } of uploads()) {
    const checksums = Object.entries(headers).filter(([name]) => /checksum|md5|expect|trailer/.test(name));
    const hashed = ([name, hash]: [string, string]) => [name, createHash(hash).update(body).digest('base64')];
    expect(Object.fromEntries(checksums)).toEqual(Object.fromEntries(Object.entries(sent).map(hashed)));
    expect(headers['x-amz-content-sha256']).toBe(createHash('sha256').update(body).digest('hex'));
    expect(headers.authorization).toContain('x-amz-content-sha256');
  }
});

test('with every checksum, an object is read back when the store reports other bytes', async () => {
  rig.proxy.intervene = { after: (seen) => (isUpload(seen) ? 'wrong checksum' : undefined) };
  expect(await (await rig.drain({ S3_CHECKSUM: 'none' })).ended).toBe(0);
  const read = rig.proxy.requests.filter(({ method, path }) => method === 'GET' && path.includes('.ndjson.gz'));
  expect(read).toHaveLength(1);
});

test('a store that rejects SHA-256 checksums is reported with the setting, and S3_CHECKSUM=none fixes it', async () => {
  rig.proxy.intervene = {
    before: ({ headers }) => ('x-amz-checksum-sha256' in headers ? { status: 501, code: 'NotImplemented' } : undefined),
  };
  const refused = await rig.drain();
  expect(await refused.ended).toBe(1);
  expect(refused.output()).toContain('does not support a header that is needed (S3_CHECKSUM');
  expect(await (await rig.drain({ S3_CHECKSUM: 'none' })).ended).toBe(0);
});

/** Text that does not compress to less than half. */
function noise(length: number): string {
  let text = '';
  for (let part = 0; text.length < length; part += 1) text += createHash('sha512').update(String(part)).digest('hex');
  return text;
}
