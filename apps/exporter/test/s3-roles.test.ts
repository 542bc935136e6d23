import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { type StsStub, startStsStub, temporaryKey } from '@auditbox/testing/stubs/sts-stub.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

/* Which credentials sign the requests. */

const RoleArn = 'arn:aws:iam::123456789012:role/audit-writer';
let rig: ExporterFixture;
let sts: StsStub;
let role: Record<string, string>;

beforeEach(async () => {
  rig = await createExporterFixture();
  await rig.db.store(someEvents(3));
  sts = await startStsStub();
  role = { S3_ROLE_ARN: RoleArn, S3_STS_ENDPOINT: sts.endpoint };
});
afterEach(async () => {
  await rig.close();
  sts.close();
});

/** Each request's access key and session token. */
const signedBy = () =>
  rig.proxy.requests.map(({ headers }) => [
    /Credential=([^/]+)/.exec(String(headers.authorization))?.[1],
    headers['x-amz-security-token'],
  ]);

test('S3_ROLE_ARN is assumed with the credentials found and the external id; its temporary key signs every request', async () => {
  const app = await rig.drain({ ...role, S3_ROLE_EXTERNAL_ID: 'hunter2', LOG_LEVEL: 'trace' });
  expect(await app.ended).toBe(0);
  expect(sts.requests).toEqual([
    {
      accessKeyId: 'TESTKEY',
      parameters: expect.objectContaining({
        Action: 'AssumeRole',
        RoleArn,
        ExternalId: 'hunter2',
        RoleSessionName: 'auditbox-exporter',
      }),
    },
  ]);
  expect(signedBy().length).toBeGreaterThan(1);
  for (const signer of signedBy()) expect(signer).toEqual([temporaryKey, 'temporary-token']);
  expect(app.output()).not.toMatch(/hunter2|temporary-secret|temporary-token/);
});

test('without S3_ROLE_EXTERNAL_ID no external id is sent', async () => {
  expect(await (await rig.drain(role)).ended).toBe(0);
  expect(sts.requests[0]?.parameters).not.toHaveProperty('ExternalId');
});

test('a role that cannot be assumed is named, and the bucket is not blamed', async () => {
  sts.answers = 'denial';
  const app = await rig.drain(role);
  expect(await app.ended).toBe(1);
  expect(app.output()).toContain(`The role ${RoleArn} could not be assumed (S3_ROLE_ARN; AccessDenied)`);
  expect(app.output()).not.toContain('lack a permission at s3://');
  expect(await rig.db.states()).toEqual({ pending: 3 });
});

test('an STS that does not answer delays nothing for longer than S3_REQUEST_TIMEOUT_MS', async () => {
  sts.answers = 'silence';
  const app = rig.start([], { ...role, S3_REQUEST_TIMEOUT_MS: '500', EXPORT_RETRY_CAP_MS: '200' });
  await eventually(() => expect(sts.requests.length).toBeGreaterThanOrEqual(3));
  sts.answers = 'credentials';
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 3 }));
  app.signal('SIGTERM');
  expect(await app.ended).toBe(0);
});

test("a web identity's token is exchanged for a role, as in Kubernetes", async () => {
  const folder = await mkdtemp(join(tmpdir(), 'auditbox-token-'));
  const AWS_WEB_IDENTITY_TOKEN_FILE = join(folder, 'token');
  await writeFile(AWS_WEB_IDENTITY_TOKEN_FILE, 'a.signed.token');
  const app = await rig.drain({
    AWS_ACCESS_KEY_ID: '',
    AWS_SECRET_ACCESS_KEY: '',
    AWS_ROLE_ARN: RoleArn,
    AWS_WEB_IDENTITY_TOKEN_FILE,
    AWS_ENDPOINT_URL_STS: sts.endpoint,
    HOME: folder,
  });
  expect(await app.ended).toBe(0);
  expect(sts.requests).toEqual([
    {
      accessKeyId: null,
      parameters: expect.objectContaining({
        Action: 'AssumeRoleWithWebIdentity',
        RoleArn,
        WebIdentityToken: 'a.signed.token',
      }),
    },
  ]);
  for (const signer of signedBy()) expect(signer).toEqual([temporaryKey, 'temporary-token']);
  expect(app.output()).not.toContain('a.signed.token');
  await rm(folder, { recursive: true });
});

test("a role's token that the store refuses before its end is asked for again", async () => {
  rig.proxy.intervene = {
    before: () => (sts.requests.length < 2 ? { status: 400, code: 'ExpiredToken' } : undefined),
  };
  rig.start([], { ...role, EXPORT_RETRY_CAP_MS: '100' });
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 3 }));
  expect(sts.requests).toHaveLength(2);
});
