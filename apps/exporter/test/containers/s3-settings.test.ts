import { randomBytes } from 'node:crypto';
import { expectExactlyOnce } from '@auditbox/testing/expectations/expect-exactly-once.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { startConnectProxy } from '@auditbox/testing/proxies/connect-proxy.ts';
import { startTlsFront } from '@auditbox/testing/proxies/tls-front.ts';
import { createTestBucket, type TestBucket } from '@auditbox/testing/servers/bucket.ts';
import { HeadObjectCommand, ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';

describe.skipIf(!inject('containers'))('on a real S3, which verifies signatures and checksums', () => {
  let rig: ExporterFixture;
  const events = someEvents(3, { updated_at: '2026-07-03T11:46:50Z' });
  const ids = events.map(({ id }) => id);

  beforeEach(async () => {
    rig = await createExporterFixture();
    await rig.db.store(events);
  });
  afterEach(() => rig.close());

  async function check(settings: Record<string, string> = {}) {
    const app = rig.start(['--check', '--json'], {
      LOG_LEVEL: 'fatal',
      S3_ENDPOINT: inject('s3Endpoint'),
      ...settings,
    });
    const code = await app.ended;
    const { findings } = JSON.parse(app.output()) as { findings: { what: string; state: string; says: string }[] };
    return { code, about: (what: string) => findings.find((finding) => finding.what === what) };
  }

  test('a bucket that --make-bucket makes has Object Lock where objects are to be locked', async () => {
    const lock = { S3_OBJECT_LOCK_MODE: 'COMPLIANCE', S3_OBJECT_LOCK_DAYS: '1' };
    const made = { S3_BUCKET: `made-${randomBytes(6).toString('hex')}`, S3_ENDPOINT: inject('s3Endpoint'), ...lock };
    expect(await rig.start(['--make-bucket'], made).ended).toBe(0);
    expect(await (await rig.drain(made)).ended).toBe(0);
    expect((await check(made)).about('object lock')).toMatchObject({ state: 'pass' });
  });

  test.each(['sha256', 'md5', 'none'])('S3_CHECKSUM=%s is accepted', async (S3_CHECKSUM) => {
    expect(await (await rig.drain({ S3_CHECKSUM })).ended).toBe(0);
    await expectExactlyOnce(rig.bucket, ids);
  });

  test.each(['sha256', 'md5'])(
    'with S3_CHECKSUM=%s an object is locked for as long as the settings request',
    async (S3_CHECKSUM) => {
      const locked = await createTestBucket(inject('s3Endpoint'), { objectLock: true });
      const lock = { S3_OBJECT_LOCK_MODE: 'COMPLIANCE', S3_OBJECT_LOCK_DAYS: '3' };
      expect(await (await rig.drain({ S3_BUCKET: locked.name, S3_CHECKSUM, ...lock })).ended).toBe(0);
      const [object] = await locked.objects();
      const seen = await locked.client.send(new HeadObjectCommand({ Bucket: locked.name, Key: object?.key }));
      expect(seen.ObjectLockMode).toBe('COMPLIANCE');
      const days = ((seen.ObjectLockRetainUntilDate?.getTime() ?? 0) - Date.now()) / 86_400_000;
      expect(days).toBeGreaterThan(2.99);
      expect(days).toBeLessThanOrEqual(3);
      expect(await versionsOf(locked, object?.key)).toBe(1);
    },
  );

  test('a retry after a lost answer creates no second version of a locked object', async () => {
    const locked = await createTestBucket(inject('s3Endpoint'), { objectLock: true });
    let lost = 0;
    rig.proxy.intervene = {
      after: ({ method, path }) => {
        if (method !== 'PUT' || !path.includes('.ndjson.gz') || lost > 0) return undefined;
        lost += 1;
        return 'reset';
      },
    };
    const lock = { S3_OBJECT_LOCK_MODE: 'COMPLIANCE', S3_OBJECT_LOCK_DAYS: '3' };
    expect(await (await rig.drain({ S3_BUCKET: locked.name, ...lock })).ended).toBe(0);
    expect(lost).toBe(1);
    const [object] = await locked.objects();
    expect(await versionsOf(locked, object?.key)).toBe(1);
  });

  test('signatures are valid through a proxy and TLS with a private certificate', async () => {
    const front = await startTlsFront(inject('s3Endpoint'));
    const proxy = await startConnectProxy();
    const HTTPS_PROXY = `http://127.0.0.1:${proxy.port}`;
    const app = await rig.drain({ S3_ENDPOINT: front.endpoint, S3_CA_FILE: front.certificateFile, HTTPS_PROXY });
    expect(await app.ended).toBe(0);
    expect(proxy.tunnels.length).toBeGreaterThan(0);
    await expectExactlyOnce(rig.bucket, ids);
    await front.close();
    proxy.close();
  });

  test('--check finds that everything works', async () => {
    const { code, about } = await check();
    expect(code).toBe(0);
    expect(about('create only')).toMatchObject({ state: 'pass' });
    expect(about('missing objects')).toMatchObject({ state: 'pass' });
    expect(about('versions')?.says).toBe('The bucket keeps no versions.');
    expect(about('object lock')?.says).toBe('The bucket locks no objects, and the settings do not request it.');
    expect(about('clocks')).toMatchObject({ state: 'pass' });
  });

  test('--check reports the lock of its object, and a bucket without Object Lock', async () => {
    const lock = { S3_OBJECT_LOCK_MODE: 'GOVERNANCE', S3_OBJECT_LOCK_DAYS: '1' };
    const locked = await createTestBucket(inject('s3Endpoint'), { objectLock: true });
    const worm = await check({ S3_BUCKET: locked.name, ...lock });
    expect(worm.code).toBe(0);
    expect(worm.about('create')?.says).toContain('GOVERNANCE locks it for 1 days');
    expect(worm.about('object lock')?.says).toMatch(/locked until 20.* \(GOVERNANCE\)/);
    expect(worm.about('versions')?.says).toBe('The bucket keeps versions.');
    const plain = await check(lock);
    expect(plain.code).toBe(1);
  });

  test.each([
    [{ AWS_SECRET_ACCESS_KEY: 'wrong' }, 'bucket', 'the secret key is wrong'],
    [{ AWS_ACCESS_KEY_ID: 'UNKNOWN' }, 'bucket', 'rejects the access key id'],
    [{ S3_BUCKET: 'no-such-bucket' }, 'bucket', 'does not exist'],
  ])('--check explains %j', async (settings, what, sentence) => {
    const { code, about } = await check(settings as Record<string, string>);
    expect(code).toBe(1);
    expect(about(what)).toMatchObject({ state: 'fail', says: expect.stringContaining(sentence) });
  });
});

async function versionsOf({ name, client }: TestBucket, key: string | undefined): Promise<number> {
  const { Versions = [] } = await client.send(new ListObjectVersionsCommand({ Bucket: name }));
  return Versions.filter(({ Key }) => Key === key).length;
}
