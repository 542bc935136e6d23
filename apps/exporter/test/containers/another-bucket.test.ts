import { conformanceTests } from '@auditbox/destination-kit/conformance.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { expectExactlyOnce } from '@auditbox/testing/expectations/expect-exactly-once.ts';
import { createDestinationFixture, type DestinationFixture } from '@auditbox/testing/fixtures/destination-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { createTestBucket, type TestBucket, testCredentials } from '@auditbox/testing/servers/bucket.ts';
import { spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { aRow, deliver, openDestination } from '../opened-destination.ts';

/* Destinations of type s3, next to the archive, on a real store. */

describe.skipIf(!inject('containers'))('another bucket on a real S3', () => {
  let rig: DestinationFixture;
  let copy: TestBucket;
  beforeEach(async () => {
    rig = await createDestinationFixture();
    copy = await createTestBucket(inject('s3Endpoint'));
  });
  afterEach(async () => {
    await rig.close();
    copy.client.destroy();
  });

  const entry = (options: object = {}) => ({
    ...{
      name: 'copy',
      type: 's3',
      bucket: copy.name,
      endpoint: rig.proxy.endpoint,
      forcePathStyle: true,
      since: 'all',
    },
    accessKeyId: testCredentials.accessKeyId,
    secretAccessKey: testCredentials.secretAccessKey,
    ...options,
  });

  async function keys(): Promise<string[]> {
    const { Contents = [] } = await copy.client.send(new ListObjectsV2Command({ Bucket: copy.name }));
    return Contents.flatMap(({ Key = '' }) => (Key.endsWith('_auditbox_probe') ? [] : [Key])).sort();
  }

  async function text(Key: string): Promise<string> {
    const { Body } = await copy.client.send(new GetObjectCommand({ Bucket: copy.name, Key }));
    return (await Body?.transformToString()) ?? '';
  }

  const isDone = () => eventually(async () => expect(new Set(await rig.deliveries('copy'))).toEqual(new Set(['done'])));

  for (const { name, run } of conformanceTests({
    open: () => openDestination(entry()),
    received: async () => (await copy.objects()).map((object) => object.text),
  }))
    test(`contract: ${name}`, run);

  test('has each event of the archive once, with another prefix, and a replay creates no object again', async () => {
    const events = ['10', '11'].flatMap((hour) => someEvents(20, { updated_at: `2026-07-03T${hour}:30:00Z` }));
    const ids = events.map(({ id }) => id);
    await rig.db.store(events);
    const configured = entry({ prefix: 'siem/' });
    await rig.serve([configured]);
    await isDone();
    await eventually(() => expectExactlyOnce(rig.bucket, ids));
    const objects = await copy.objects();
    expect(objects.flatMap((object) => object.events.map(({ id }) => id)).sort()).toEqual([...ids].sort());
    expect(objects.map(({ key }) => key.slice(0, 'siem/dt=2026-07-03/hour=10'.length)).sort()).toEqual([
      'siem/dt=2026-07-03/hour=10',
      'siem/dt=2026-07-03/hour=11',
    ]);
    const before = await keys();
    const settings = await rig.configure(configured);
    const command = spawnApp('exporter/src/destinations-main.ts', { ...rig.env, ...settings }, [
      'replay',
      'copy',
      '--all',
    ]);
    expect(await command.ended, command.output()).toBe(0);
    await isDone();
    expect(await keys()).toEqual(before);
    expect(await rig.db.sql`select from auditbox.rejection`).toHaveLength(0);
  });

  test('has an object for each event where LiteLLM puts it, and one of somebody else stays as it is', async () => {
    const [first, second] = someEvents(2, { updated_at: '2025-01-31T23:59:59.5Z' });
    const keyOf = (id = '') => `audit_logs/2025-01-31/23-59-59_${id}.json`;
    await copy.client.send(new PutObjectCommand({ Bucket: copy.name, Key: keyOf(first?.id), Body: 'mine' }));
    await rig.db.store([first, second].flatMap((event) => event ?? []));
    await rig.serve([entry({ format: 'litellm', layout: 'events' })]);
    await isDone();
    expect(await keys()).toEqual([keyOf(first?.id), keyOf(second?.id)].sort());
    expect(await text(keyOf(first?.id))).toBe('mine');
    expect(JSON.parse(await text(keyOf(second?.id)))).toMatchObject({
      id: second?.id,
      before_value: '{"max_budget":10}',
    });
    expect(await rig.db.sql`select audit_id, reason from auditbox.rejection`).toEqual([
      { audit_id: first?.id, reason: expect.stringContaining('was not overwritten') },
    ]);
  });

  test.each([
    [{ secretAccessKey: 'wrong' }, /secretAccessKey|secret key/],
    [{ accessKeyId: 'UNKNOWN' }, /access key/],
    [{ bucket: 'no-such-bucket-here' }, /\(bucket\)/],
  ])('with %j it is blocked and says why, and the check says so too', async (wrong, said) => {
    const destination = await openDestination(entry(wrong));
    expect(await deliver(destination)).toMatchObject({ kind: 'blocked', reason: expect.stringMatching(said) });
    const findings = await destination.check(new AbortController().signal);
    expect(findings).toMatchObject([{ stopsDelivery: true, says: expect.stringMatching(said) }]);
    await destination.close();
  });

  test('the check finds that the store does not overwrite', async () => {
    const destination = await openDestination(entry());
    expect(await destination.check(new AbortController().signal)).toEqual([]);
    expect(await deliver(destination, [aRow()])).toEqual({ kind: 'taken' });
    await destination.close();
  });
});
