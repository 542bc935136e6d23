import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cosignatureFolder, stampPath } from '@auditbox/evidence/log-files.ts';
import { createKeySigner, formatVerifierKey, parseNote } from '@auditbox/evidence/signed-note.ts';
import { parseWitnessPolicy } from '@auditbox/evidence/witness-policy.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { testCredentials } from '@auditbox/testing/servers/bucket.ts';
import { startTestTimeAuthority, type TestTimeAuthority } from '@auditbox/testing/servers/test-time-authority.ts';
import { startTestWitness, type TestWitness } from '@auditbox/testing/servers/test-witness.ts';
import { parseCommand } from '@auditbox/verify/cli.ts';
import { runArchive } from '@auditbox/verify/run-archive.ts';
import { DeleteObjectCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';

/* Checkpoints that witnesses cosign and a time-stamping authority stamps. What they do holds up nothing. */

const origin = 'log.example/attested';
const folder = mkdtempSync(join(tmpdir(), 'attested-'));
const keyFile = join(folder, 'key.pem');
const policyFile = join(folder, 'policy');
const prefix = 'audit_logs/';
const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
writeFileSync(keyFile, pem);
const { key } = createKeySigner(origin, pem);
const logged = { EXPORT_LOG_ORIGIN: origin, EXPORT_LOG_KEY_FILE: keyFile, EXPORT_LOG_INTERVAL_MS: '100' };

let rig: ExporterFixture;
let witnesses: readonly [TestWitness, TestWitness];
let authority: TestTimeAuthority;
let policy: string;

beforeAll(async () => {
  authority = await startTestTimeAuthority();
});
afterAll(() => authority.close());
beforeEach(async () => {
  rig = await createExporterFixture();
  witnesses = [await startTestWitness('one.example', key), await startTestWitness('two.example', key)];
  policy = `${witnesses.map(({ key: of, url }, n) => `witness w${n} ${of} ${url}\n`).join('')}group both all w0 w1\nquorum both\n`;
  writeFileSync(policyFile, policy);
  authority.stampInstead = null;
});
afterEach(async () => {
  await rig.close();
  for (const witness of witnesses) await witness.close();
});

/** Exports new events, and a checkpoint that others attest. */
async function exportMore(settings: Record<string, string> = {}) {
  await rig.db.store(someEvents(2));
  const app = await rig.drain({
    ...logged,
    EXPORT_LOG_WITNESS_POLICY: policyFile,
    EXPORT_LOG_TSA_URL: authority.url,
    ...settings,
  });
  expect(await app.ended).toBe(0);
  return app;
}

/** What an auditor with the policy finds. */
async function audit() {
  const source = {
    kind: 's3',
    ...{ bucket: rig.bucket.name, prefix, region: 'us-east-1', endpoint: rig.proxy.endpoint },
    ...{ ...testCredentials, sessionToken: null },
  } as const;
  const { exitCode, findings, run } = await runArchive(
    { source, key, policy: parseWitnessPolicy(policy), level: 'log', stateFile: null, full: false, sample: 0 },
    { onFinding() {}, onProgress() {} },
  );
  return { exitCode, codes: findings.map(({ code }) => code), attested: run.attested };
}

async function list(path: string): Promise<string[]> {
  const { Contents = [] } = await rig.bucket.client.send(
    new ListObjectsV2Command({ Bucket: rig.bucket.name, Prefix: `${prefix}${path}` }),
  );
  return Contents.map(({ Key = '' }) => Key);
}

const object = (Key: string) => ({ Bucket: rig.bucket.name, Key });

test('each checkpoint is cosigned by both witnesses and stamped, and an auditor finds it', async () => {
  for (let size = 1; size <= 3; size += 1) {
    await exportMore();
    expect(await audit()).toEqual({
      exitCode: 0,
      codes: [],
      attested: {
        cosigned: { size, by: ['w0', 'w1'] },
        stamp: { size, time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) },
      },
    });
  }
  expect(witnesses.map(({ size }) => size)).toEqual([3, 3]);
});

test('openssl accepts the stored answer as a stamp of the checkpoint, and of no other text', async () => {
  await exportMore();
  const read = async (path: string) => {
    const { Body } = await rig.bucket.client.send(new GetObjectCommand(object(`${prefix}${path}`)));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  };
  const stamp = await read(stampPath(1));
  const text = parseNote((await read('_log/checkpoints/000000000001')).toString())?.text ?? '';
  authority.verify(stamp, text);
  expect(() => authority.verify(stamp, `${text}x`)).toThrow();
});

test('a witness learns of a log that began without it, by a proof from what it saw', async () => {
  await exportMore({ EXPORT_LOG_WITNESS_POLICY: '', EXPORT_LOG_TSA_URL: '' });
  await exportMore();
  await exportMore();
  expect((await audit()).attested?.cosigned?.size).toBe(3);
  // Each process begins without a memory: it says 0, and is told the size.
  expect(witnesses[0].olds).toEqual([0, 0, 2]);
});

test('a witness that fails holds up nothing, is named, and is asked again for the newest checkpoint', async () => {
  witnesses[1].broken = { status: 503, text: 'later\nplease' };
  const app = await exportMore();
  expect(await app.event('checkpoint-not-attested')).toMatchObject({
    by: 'w1',
    size: 1,
    msg: expect.stringContaining('It answered 503: later please'),
  });
  expect(await audit()).toMatchObject({ exitCode: 3, codes: ['quorum'], attested: { cosigned: null } });
  witnesses[1].broken = null;
  // Nothing new was exported, and the checkpoint is cosigned all the same.
  await rig.drain({ ...logged, EXPORT_LOG_WITNESS_POLICY: policyFile });
  expect(await audit()).toMatchObject({ exitCode: 0, attested: { cosigned: { size: 1 } } });
  witnesses[1].broken = { status: 200, text: 'nothing' };
  await exportMore();
  expect(await audit()).toMatchObject({ exitCode: 2, codes: ['quorum'], attested: { cosigned: { size: 1 } } });
});

test('an exporter that dies with a cosignature in its hands: the next one gets one for the same checkpoint', async () => {
  await rig.db.store(someEvents(2));
  const settings = { ...logged, EXPORT_LOG_WITNESS_POLICY: policyFile };
  await rig.drainUntil('log before an attestation is stored', settings);
  expect(await list(cosignatureFolder(1))).toEqual([]);
  await rig.drain(settings);
  expect(await audit()).toMatchObject({ exitCode: 0, attested: { cosigned: { size: 1, by: ['w0', 'w1'] } } });
});

test('an exporter waits for a witness that is silent for ten seconds, and names it', async () => {
  witnesses[0].broken = 'silent';
  const app = await exportMore();
  expect(await app.event('checkpoint-not-attested')).toMatchObject({ by: 'w0', size: 1 });
  expect((await list(cosignatureFolder(1))).length).toBe(1);
});

test('the credentials of a URL are sent in a header, and are in no log line', async () => {
  const withPassword = (url: string) => url.replace('://', '://auditor:hidden%20word@');
  writeFileSync(policyFile, policy.replaceAll('http://', 'http://auditor:hidden%20word@'));
  const app = await exportMore({ EXPORT_LOG_TSA_URL: withPassword('http://127.0.0.1:1') });
  expect(witnesses[0].authorization).toBe(`Basic ${Buffer.from('auditor:hidden word').toString('base64')}`);
  expect((await audit()).attested?.cosigned?.size).toBe(1);
  expect(await app.event('checkpoint-not-attested')).toMatchObject({ by: 'time stamp' });
  const refused = rig.start(['--once'], { ...logged, EXPORT_LOG_TSA_URL: withPassword('ftp://127.0.0.1') });
  expect(await refused.ended).toBe(1);
  for (const { output } of [app, refused]) expect(output()).not.toMatch(/hidden|YXVkaXRvc/);
});

test('a running exporter asks each interval until the witness answers, and says in its metrics who attested what', async () => {
  witnesses[0].broken = { status: 500, text: '' };
  await rig.db.store(someEvents(2));
  const app = rig.start([], { ...logged, EXPORT_LOG_WITNESS_POLICY: policyFile });
  await app.event('checkpoint-attested', ({ by }) => by === 'w1');
  const { port } = await app.event('exporter-running');
  expect(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).toContain(
    'auditbox_log_attested_batches{by="w0"} 0',
  );
  witnesses[0].broken = null;
  await app.event('checkpoint-attested', ({ by }) => by === 'w0');
  await eventually(async () => {
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(metrics).toContain('auditbox_log_attested_batches{by="w0"} 1');
    expect(metrics).toContain('auditbox_log_attested_batches{by="w1"} 1');
  });
});

test('a witness that saw a larger log of this name is an error that says why', async () => {
  witnesses[0].pretend(7);
  const app = await exportMore();
  expect(await app.event('witness-ahead')).toMatchObject({ level: 'error', by: 'w0', size: 1, seen: 7 });
  expect((await audit()).codes).toEqual(['quorum']);
});

test('a witness that saw another log does not cosign ours', async () => {
  await exportMore();
  witnesses[0].pretend(1);
  const app = await exportMore();
  expect(await app.event('checkpoint-not-attested')).toMatchObject({ by: 'w0', msg: expect.stringContaining('422') });
  expect((await audit()).attested?.cosigned?.size).toBe(1);
});

test('a stamp of something else is not stored', async () => {
  authority.stampInstead = 'something else';
  const app = await exportMore();
  expect(await app.event('checkpoint-not-attested')).toMatchObject({
    by: 'time stamp',
    msg: expect.stringContaining('It stamped something else than was asked.'),
  });
  expect(await list('_log/stamps/')).toEqual([]);
});

test('a cosignature of another checkpoint, and one of a checkpoint that is gone, are found', async () => {
  await exportMore();
  await exportMore();
  const [first = ''] = await list(cosignatureFolder(1));
  const [second = ''] = await list(cosignatureFolder(2));
  const { Body } = await rig.bucket.client.send(new GetObjectCommand(object(first)));
  const body = await Body?.transformToString();
  await rig.bucket.client.send(new PutObjectCommand({ ...object(second), Body: body ?? '' }));
  expect((await audit()).codes).toContain('cosignature');
  for (const path of ['checkpoints/000000000002', 'tile/0/000.p/2', 'tile/entries/000.p/2'])
    await rig.bucket.client.send(new DeleteObjectCommand(object(`${prefix}_log/${path}`)));
  // The newest checkpoint was removed with its tiles, and what others said about it was left.
  expect(await audit()).toMatchObject({ exitCode: 3, codes: expect.arrayContaining(['checkpoint-missing']) });
});

test('a policy for another log is refused at the start, and by the auditor', async () => {
  const other = createKeySigner('other.example', pem).key;
  writeFileSync(policyFile, `log ${formatVerifierKey(other)}\n${policy}`);
  const app = rig.start(['--once'], { ...logged, EXPORT_LOG_WITNESS_POLICY: policyFile });
  expect(await app.ended).toBe(1);
  expect(app.output()).toContain(`EXPORT_LOG_WITNESS_POLICY is not for the log ${origin}.`);
  const args = ['--from-folder', folder, '--key', formatVerifierKey(key), '--policy', policyFile];
  expect(() => parseCommand(args, {})).toThrow(`${policyFile} is not a policy for the log ${origin}.`);
});

test('witnesses without a key that signs are refused at the start', async () => {
  const app = rig.start(['--once'], { EXPORT_LOG_TSA_URL: authority.url });
  expect(await app.ended).toBe(1);
  expect(app.output()).toContain('EXPORT_LOG_WITNESS_POLICY and EXPORT_LOG_TSA_URL need EXPORT_LOG_KEY_FILE');
});
