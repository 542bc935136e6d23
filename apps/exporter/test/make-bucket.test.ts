import { randomBytes } from 'node:crypto';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { startTcpProxy } from '@auditbox/testing/proxies/tcp-proxy.ts';
import { HeadBucketCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';

let rig: ExporterFixture;
let name: string;
beforeEach(async () => {
  rig = await createExporterFixture();
  name = `made-${randomBytes(6).toString('hex')}`;
});
afterEach(() => rig.close());

const there = () => rig.bucket.client.send(new HeadBucketCommand({ Bucket: name }));

test('the bucket is made once; a second run reports that it exists', async () => {
  for (const says of [`s3://${name} was made.`, `s3://${name} exists.`]) {
    const app = rig.start(['--make-bucket'], { S3_BUCKET: name });
    expect(await app.ended).toBe(0);
    expect(app.output()).toContain(says);
  }
  await there();
});

test('with --json the result is one object, of success and of failure', async () => {
  const made = rig.start(['--make-bucket', '--json'], { S3_BUCKET: name });
  expect(await made.ended).toBe(0);
  expect(JSON.parse(made.output())).toEqual({ ok: true, outcome: 'made' });
  rig.proxy.intervene = { before: () => ({ status: 403, code: 'AccessDenied' }) };
  const refused = rig.start(['--make-bucket', '--json'], { S3_BUCKET: name });
  expect(await refused.ended).toBe(1);
  expect(JSON.parse(refused.output())).toEqual({ ok: false, problem: expect.stringContaining('permission') });
});

test('--make-bucket waits for a store that starts later', async () => {
  const { hostname: host, port } = new URL(inject('s3Endpoint'));
  const line = await startTcpProxy({ host, port: Number(port) });
  await line.down();
  const app = rig.start(['--make-bucket'], { S3_BUCKET: name, S3_ENDPOINT: `http://127.0.0.1:${line.port}` });
  await eventually(() => expect(app.output()).toContain('Waiting up to 120 s for the store.'));
  await line.up();
  expect(await app.ended).toBe(0);
  await there();
  await line.down();
});

test('an error of the store is reported at once, with the permission that is missing', async () => {
  rig.proxy.intervene = {
    before: ({ method }) =>
      method === 'HEAD' ? { status: 404, code: 'NotFound' } : { status: 403, code: 'AccessDenied' },
  };
  const app = rig.start(['--make-bucket'], { S3_BUCKET: name });
  expect(await app.ended).toBe(1);
  expect(app.output()).toContain('(s3:CreateBucket)');
});

test('at AWS a missing bucket is not made', async () => {
  const app = rig.start(['--make-bucket'], {
    S3_BUCKET: name,
    S3_ENDPOINT: '',
    AWS_ENDPOINT_URL_S3: rig.proxy.endpoint,
  });
  expect(await app.ended).toBe(1);
  expect(app.output()).toContain(`The bucket "${name}" does not exist`);
  expect(rig.proxy.requests.map(({ method }) => method)).toEqual(['HEAD']);
});
