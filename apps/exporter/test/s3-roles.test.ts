import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { type StsStub, startStsStub, temporaryKey, temporaryToken } from '@auditbox/testing/stubs/sts-stub.ts';
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
  for (const signer of signedBy()) expect(signer).toEqual([temporaryKey(1), temporaryToken(1)]);
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
  for (const signer of signedBy()) expect(signer).toEqual([temporaryKey(1), temporaryToken(1)]);
  expect(app.output()).not.toContain('a.signed.token');
  await rm(folder, { recursive: true });
});

test("a role's token that the store refuses before its end is replaced once, and the new one signs from then on", async () => {
  const isRefused = ({ authorization }: IncomingHttpHeaders) =>
    authorization?.includes(`Credential=${temporaryKey(1)}/`) === true;
  rig.proxy.intervene = {
    before: ({ headers }) => (isRefused(headers) ? { status: 400, code: 'ExpiredToken' } : undefined),
  };
  const app = rig.start([], { ...role, EXPORT_RETRY_CAP_MS: '100' });
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 3 }));
  expect(sts.requests).toHaveLength(2);
  expect(new Set(signedBy().map(String))).toEqual(
    new Set([1, 2].map((answer) => `${temporaryKey(answer)},${temporaryToken(answer)}`)),
  );
  const whenRefused = rig.proxy.requests.findLastIndex(({ headers }) => isRefused(headers));
  for (const signer of signedBy().slice(whenRefused + 1)) expect(signer).toEqual([temporaryKey(2), temporaryToken(2)]);
  app.signal('SIGTERM');
  expect(await app.ended).toBe(0);
  expect(app.output()).not.toContain(temporaryToken(2));
});

test("a role's token is replaced five minutes before its end, and no request is signed with the old one afterwards", async () => {
  sts.lifetimeMs = 301_000;
  rig.start([], role);
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 3 }));
  expect(signedBy()).toContainEqual([temporaryKey(1), temporaryToken(1)]);
  // The next one is valid for longer.
  sts.lifetimeMs = 3_600_000;
  const next = sts.requests.length + 1;
  await eventually(async () => {
    await rig.db.store(someEvents(1));
    expect(signedBy()).toContainEqual([temporaryKey(next), temporaryToken(next)]);
  });
  await rig.db.store(someEvents(1));
  await eventually(async () => expect(Object.keys(await rig.db.states())).toEqual(['done']));
  const first = signedBy().findIndex(([key]) => key === temporaryKey(next));
  for (const signer of signedBy().slice(first)) expect(signer).toEqual([temporaryKey(next), temporaryToken(next)]);
  expect(sts.requests).toHaveLength(next);
});

test('keys in a file that STS refuses are read again: a role needs no restart when they are rotated', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'auditbox-credentials-'));
  const file = join(folder, 'credentials');
  const write = (id: string) =>
    writeFile(file, `[default]\naws_access_key_id = ${id}\naws_secret_access_key = secret-of-${id}\n`);
  await write('OLDKEY');
  sts.deletedKeys.add('OLDKEY');
  const fromFile = { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_SHARED_CREDENTIALS_FILE: file };
  const app = rig.start([], { ...role, ...fromFile, EXPORT_RETRY_CAP_MS: '100' });
  await app.event('export-blocked');
  await write('NEWKEY');
  await app.event('export-resumed');
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 3 }));
  expect(sts.requests.at(-1)?.accessKeyId).toBe('NEWKEY');
  await rm(folder, { recursive: true });
});

test('a role whose sessions were revoked is assumed again, and a missing right asks STS seldom and costs no credentials', async () => {
  let isDenied = ({ authorization }: IncomingHttpHeaders) =>
    authorization?.includes(`Credential=${temporaryKey(1)}/`) === true;
  rig.proxy.intervene = {
    before: ({ headers }) => (isDenied(headers) ? { status: 403, code: 'AccessDenied' } : undefined),
  };
  const app = rig.start([], { ...role, EXPORT_RETRY_CAP_MS: '20' });
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 3 }));
  expect(sts.requests).toHaveLength(2);

  isDenied = () => true;
  sts.answers = 'denial';
  await rig.db.store(someEvents(1));
  const before = rig.proxy.requests.length;
  const startedAt = performance.now();
  await eventually(() => expect(rig.proxy.requests.length).toBeGreaterThanOrEqual(before + 50));
  // At most every two seconds, however many requests are denied.
  expect(sts.requests.length - 2).toBeLessThanOrEqual((performance.now() - startedAt) / 2_000 + 2);
  isDenied = () => false;
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 4 }));
  expect(signedBy().at(-1)).toEqual([temporaryKey(2), temporaryToken(2)]);
  expect(app.output()).not.toContain('could not be assumed');
});
