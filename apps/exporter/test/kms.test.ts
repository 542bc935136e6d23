import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKeySigner, formatVerifierKey, verifierKeyOf } from '@auditbox/evidence/signed-note.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { testCredentials } from '@auditbox/testing/servers/bucket.ts';
import { type KmsStub, startKmsStub } from '@auditbox/testing/stubs/kms-stub.ts';
import { runArchive } from '@auditbox/verify/run-archive.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

/* A log that is signed by a key in AWS KMS, checked from outside by the command that an auditor runs. */

const origin = 'log.example/kms';

let rig: ExporterFixture;
let kms: KmsStub;

beforeEach(async () => {
  rig = await createExporterFixture();
  kms = await startKmsStub(testCredentials);
  await rig.db.store(someEvents(3, { updated_at: '2026-07-03T11:46:50Z' }));
});
afterEach(async () => {
  expect(kms.violations).toEqual([]);
  kms.close();
  await rig.close();
});

const verifierKey = () => verifierKeyOf(origin, kms.publicKey());

/** Settings with the key that KMS has now. */
function signedByKms(): Record<string, string> {
  return {
    EXPORT_LOG_ORIGIN: origin,
    EXPORT_LOG_KMS_KEY_ID: kms.arn,
    EXPORT_LOG_VERIFIER_KEY: formatVerifierKey(verifierKey()),
    EXPORT_LOG_INTERVAL_MS: '100',
    AWS_ENDPOINT_URL_KMS: kms.endpoint,
  };
}

async function audit(key = verifierKey()) {
  const source = {
    kind: 's3',
    ...{ bucket: rig.bucket.name, prefix: 'audit_logs/', region: 'us-east-1', endpoint: rig.proxy.endpoint },
    ...{ ...testCredentials, sessionToken: null },
  } as const;
  const { exitCode, run } = await runArchive(
    { source, key, level: 'log', stateFile: null, full: false, sample: 0 },
    { onFinding() {}, onProgress() {} },
  );
  return { exitCode, size: run.log?.checkpoint.size ?? 0 };
}

async function drain(settings: Record<string, string>) {
  const app = await rig.drain(settings);
  return { code: await app.ended, output: app.output() };
}

test('a log that KMS signs is one that every verifier reads, and the key is asked for once', async () => {
  expect((await drain(signedByKms())).code).toBe(0);
  expect(await audit()).toEqual({ exitCode: 0, size: 1 });
  expect(kms.calls).toEqual(['GetPublicKey', 'Sign']);
});

test('a few throttled requests are repeated', async () => {
  kms.throttled = 2;
  expect((await drain(signedByKms())).code).toBe(0);
  expect(await audit()).toEqual({ exitCode: 0, size: 1 });
});

test.each(['throttling', 'failures', 'wrong signatures'] as const)(
  'KMS answers with %s: events are exported, no checkpoint appears, and the log goes on once it signs',
  async (answers) => {
    kms.answers = answers;
    const app = rig.start([], signedByKms());
    expect((await app.event('log-unavailable')).msg).toContain(kms.arn);
    await app.event('batch-exported');
    expect((await audit()).size).toBe(0);
    kms.answers = 'signatures';
    await app.event('checkpoint-published');
    app.signal('SIGTERM');
    await app.ended;
    expect(await audit()).toEqual({ exitCode: 0, size: 1 });
  },
);

test('access denied blocks the log with a sentence that names the rights, and the export goes on', async () => {
  kms.answers = 'denial';
  const app = rig.start([], signedByKms());
  expect((await app.event('log-blocked')).reason).toBe(
    `KMS refuses ${kms.arn} (AccessDeniedException). The login needs kms:GetPublicKey and kms:Sign, in the policy of the key or in its own.`,
  );
  await app.event('batch-exported');
  kms.answers = 'signatures';
  await app.event('log-resumed');
  // It is named once, and not at each interval.
  expect(app.output().match(/"log-blocked"/g)).toHaveLength(1);
  expect(app.output().match(/"log-resumed"/g)).toHaveLength(1);
  // The same reason after the log has gone on is another block.
  kms.answers = 'denial';
  await rig.db.store(someEvents(1));
  await eventually(() => expect(app.output().match(/"log-blocked"/g)).toHaveLength(2));
  app.signal('SIGTERM');
  await app.ended;
});

test('a key of another type is explained at start, before there is anything to sign', async () => {
  const settings = signedByKms();
  kms.replaceKey('ECC_NIST_P256');
  const app = rig.start([], settings);
  expect((await app.event('log-blocked')).reason).toContain(
    'is of the type ECC_NIST_P256, which cannot sign the log. Make one with the key spec ECC_NIST_EDWARDS25519',
  );
  app.signal('SIGTERM');
  await app.ended;
  expect(kms.calls).not.toContain('Sign');
});

test('a KMS key with another public key than the settings is never used', async () => {
  const settings = signedByKms();
  kms.replaceKey();
  const { code, output } = await drain(settings);
  expect([code, output]).toEqual([
    1,
    expect.stringContaining(`The verifier key of ${kms.arn} is ${formatVerifierKey(verifierKey())}; the settings say`),
  ]);
  expect(kms.calls).not.toContain('Sign');
});

test('a KMS key that is not the key of the log signs nothing, until the change is made with both keys', async () => {
  const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  const keyFile = join(mkdtempSync(join(tmpdir(), 'kms-')), 'key.pem');
  writeFileSync(keyFile, pem);
  const first = { EXPORT_LOG_ORIGIN: origin, EXPORT_LOG_KEY_FILE: keyFile, EXPORT_LOG_INTERVAL_MS: '100' };
  expect((await drain(first)).code).toBe(0);
  await rig.db.store(someEvents(2, { updated_at: '2026-07-03T12:46:50Z' }));
  const refused = await drain(signedByKms());
  expect([refused.code, refused.output]).toEqual([1, expect.stringContaining('is not the key that signed')]);
  expect((await drain({ ...signedByKms(), EXPORT_LOG_PREVIOUS_KEY_FILE: keyFile })).code).toBe(0);
  expect(await audit(createKeySigner(origin, pem).key)).toEqual({ exitCode: 0, size: 2 });
});

test.each([
  [{ EXPORT_LOG_VERIFIER_KEY: '' }, 'EXPORT_LOG_KMS_KEY_ID needs EXPORT_LOG_VERIFIER_KEY'],
  [{ EXPORT_LOG_KMS_KEY_ID: 'alias/log' }, 'EXPORT_LOG_KMS_KEY_ID is "alias/log"; it must be an ARN'],
  [{ EXPORT_LOG_ORIGIN: 'log.example/other' }, 'EXPORT_LOG_VERIFIER_KEY is not a key of the log log.example/other'],
])('the settings %j are explained at start', async (wrong, sentence) => {
  const { code, output } = await drain({ ...signedByKms(), ...wrong });
  expect([code, output]).toEqual([1, expect.stringContaining(sentence)]);
});
