import { writeFile } from 'node:fs/promises';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { createDestinationFixture, type DestinationFixture } from '@auditbox/testing/fixtures/destination-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { startTlsFront } from '@auditbox/testing/proxies/tls-front.ts';
import { createTestBucket, type TestBucket, testCredentials } from '@auditbox/testing/servers/bucket.ts';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { aRow, deliver, openDestination } from './opened-destination.ts';

/* Destinations of type s3, next to the archive. */

let rig: DestinationFixture;
let copy: TestBucket;
beforeEach(async () => {
  rig = await createDestinationFixture();
  copy = await createTestBucket(inject('s3Endpoint'));
});
afterEach(() => rig.close());

const entry = (options: object = {}) => ({
  name: 'copy',
  type: 's3',
  bucket: copy.name,
  endpoint: rig.proxy.endpoint,
  forcePathStyle: true,
  // The SDK marks the object of its credentials.
  accessKeyId: testCredentials.accessKeyId,
  secretAccessKey: testCredentials.secretAccessKey,
  ...options,
});

async function texts(): Promise<Record<string, string>> {
  const { Contents = [] } = await copy.client.send(new ListObjectsV2Command({ Bucket: copy.name }));
  const read = async (Key: string) => {
    const { Body } = await copy.client.send(new GetObjectCommand({ Bucket: copy.name, Key }));
    return [Key, (await Body?.transformToString()) ?? ''] as const;
  };
  const keys = Contents.flatMap(({ Key }) => (Key?.endsWith('_auditbox_probe') || !Key ? [] : [Key]));
  return Object.fromEntries(await Promise.all(keys.map(read)));
}

test('readers of a bucket that LiteLLM wrote find each event where LiteLLM would have put it, by event time', async () => {
  const events = someEvents(3, { updated_at: '2025-01-31T23:59:59.5Z', before_value: { n: 1.5 } });
  await rig.db.store(events);
  await rig.serve([entry({ format: 'litellm', layout: 'events', prefix: 'logs/audit_logs/', since: 'all' })]);
  await eventually(async () => expect(await rig.deliveries('copy')).toEqual(['done']));
  const stored = await texts();
  expect(Object.keys(stored).sort()).toEqual(
    events.map(({ id }) => `logs/audit_logs/2025-01-31/23-59-59_${id}.json`).sort(),
  );
  const [event] = Object.values(stored).map((text) => JSON.parse(text));
  expect(Object.keys(event)).toEqual([
    ...['id', 'updated_at', 'changed_by', 'changed_by_api_key', 'action', 'table_name', 'object_id'],
    ...['before_value', 'updated_values'],
  ]);
  expect(event.before_value).toBe('{"n":1.5}');
});

test('batches are NDJSON in the folder of their hour, once, also when a request comes again', async () => {
  const destination = await openDestination(entry({ prefix: 'siem/' }));
  const late = aRow({ occurredAt: '2026-07-03T12:00:00.000000Z', line: '{"n":2}' });
  for (let time = 0; time < 2; time += 1)
    expect(await deliver(destination, [aRow({ line: '{"n":0}' }), aRow({ line: '{"n":1}' }), late], 7)).toEqual({
      kind: 'taken',
    });
  const objects = await copy.objects();
  expect(objects.map(({ text }) => text)).toEqual(['{"n":0}\n{"n":1}\n', '{"n":2}\n']);
  expect(objects.map(({ key }) => key.replace(/[0-9a-f]{12}\.ndjson/, 'HASH.ndjson'))).toEqual([
    'siem/dt=2026-07-03/hour=11/114650_000000000001_00000007_HASH.ndjson.gz',
    'siem/dt=2026-07-03/hour=12/120000_000000000001_00000009_HASH.ndjson.gz',
  ]);
  await destination.close();
});

test('an object of somebody else is not overwritten; its event is rejected and the others are stored', async () => {
  const { id } = aRow();
  const key = `audit_logs/2026-07-03/11-46-50_${id}.json`;
  await copy.client.send(new PutObjectCommand({ Bucket: copy.name, Key: key, Body: 'mine' }));
  const destination = await openDestination(entry({ layout: 'events' }));
  const other = aRow({ id: id.replace(/1$/, '2'), line: '{}' });
  expect(await deliver(destination, [aRow(), other])).toEqual({
    kind: 'taken-but',
    rejected: [{ index: 0, reason: `There is another object at ${key}. It was not overwritten.` }],
  });
  expect(await texts()).toEqual({ [key]: 'mine', [key.replace(/1\.json$/, '2.json')]: '{}' });
  await destination.close();
});

test.each(['batches', 'events'])(
  'behind a gateway that strips metadata a repeated request of %s is taken',
  async (layout) => {
    const destination = await openDestination(entry({ layout }));
    const rows = [aRow()];
    expect(await deliver(destination, rows)).toEqual({ kind: 'taken' });
    const [Key = ''] = Object.keys(await texts());
    const { Body } = await copy.client.send(new GetObjectCommand({ Bucket: copy.name, Key }));
    await copy.client.send(
      new PutObjectCommand({ Bucket: copy.name, Key, Body: (await Body?.transformToByteArray()) ?? '' }),
    );
    expect(await deliver(destination, rows)).toEqual({ kind: 'taken' });
    await destination.close();
  },
);

test('a store that stops in the middle of a request gets the rest of it later, and nothing twice', async () => {
  const destination = await openDestination(entry({ layout: 'events' }));
  const rows = Array.from({ length: 40 }, (_, n) => aRow({ id: `0197f0e0-0000-7000-8000-0000000001${n + 10}` }));
  let puts = 0;
  rig.proxy.intervene = {
    before: ({ method }) => {
      if (method === 'PUT') puts += 1;
      return method === 'PUT' && puts > 20 ? { status: 503, code: 'SlowDown' } : undefined;
    },
  };
  expect(await deliver(destination, rows)).toMatchObject({ kind: 'retry', code: 'SlowDown' });
  rig.proxy.intervene = {};
  expect(await deliver(destination, rows)).toEqual({ kind: 'taken' });
  expect(Object.keys(await texts())).toHaveLength(40);
  await destination.close();
});

test('a store that takes no large objects gets smaller ones', async () => {
  const destination = await openDestination(entry());
  rig.proxy.intervene = {
    before: ({ method }) => (method === 'PUT' ? { status: 400, code: 'EntityTooLarge' } : undefined),
  };
  expect(await deliver(destination, [aRow(), aRow()])).toEqual({ kind: 'too-large' });
  await destination.close();
});

test('a missing bucket blocks, and the sentence names the key of the entry', async () => {
  const destination = await openDestination(entry({ bucket: `${copy.name}-away` }));
  const outcome = await deliver(destination);
  expect(outcome).toMatchObject({ kind: 'blocked', code: 'NoSuchBucket', reason: expect.stringContaining('(bucket)') });
  expect(await destination.check(new AbortController().signal)).toMatchObject([{ stopsDelivery: true }]);
  await destination.close();
});

test('an authority that was rotated is used without a restart; until then the sentence names the key of the entry', async () => {
  const front = await startTlsFront(rig.proxy.endpoint);
  const destination = await openDestination(entry({ endpoint: front.endpoint, ca: front.certificateFile }));
  expect(await deliver(destination, [aRow({ line: '1' })])).toEqual({ kind: 'taken' });
  const certificate = await front.rotate();
  const refused = { kind: 'blocked', reason: expect.stringContaining('(ca;') };
  expect(await deliver(destination, [aRow({ line: '2' })])).toMatchObject(refused);
  await writeFile(front.certificateFile, certificate);
  await eventually(async () => expect(await deliver(destination, [aRow({ line: '2' })])).toEqual({ kind: 'taken' }));
  expect((await copy.objects()).map(({ text }) => text)).toEqual(['1\n', '2\n']);
  await destination.close();
  await front.close();
});

test('the timeoutMs of the entry is how long a request to the store may take', async () => {
  const destination = await openDestination(entry({ timeoutMs: 321 }));
  rig.proxy.intervene = { before: () => 'silence' };
  expect(await deliver(destination)).toMatchObject({ kind: 'retry', reason: expect.stringContaining('321') });
  await destination.close();
});

test('half of an access key, and a KMS key without KMS, are named at the start', async () => {
  await expect(openDestination(entry({ secretAccessKey: undefined }))).rejects.toThrow(
    'Only one of accessKeyId and secretAccessKey is set; set both or neither.',
  );
  await expect(openDestination(entry({ kmsKeyId: 'k' }))).rejects.toThrow('kmsKeyId needs "sse": "aws:kms".');
});
