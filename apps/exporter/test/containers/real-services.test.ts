import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { expectExactlyOnce } from '@auditbox/testing/expectations/expect-exactly-once.ts';
import { createApiFixture } from '@auditbox/testing/fixtures/api-fixture.ts';
import {
  createExporterFixture,
  type ExporterFixture,
  exporterEnv,
} from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { createTestBucket } from '@auditbox/testing/servers/bucket.ts';
import { spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';

describe.skipIf(!inject('containers'))('on a real S3 and a Postgres container', () => {
  let rig: ExporterFixture;
  const events = someEvents(10, { updated_at: '2026-07-03T11:46:50Z' });
  const ids = events.map(({ id }) => id);
  beforeEach(async () => {
    rig = await createExporterFixture();
    await rig.db.store(events);
  });
  afterEach(() => rig.close());

  test('the store itself refuses a second PUT of the same key', async () => {
    const put = (Body: string) =>
      rig.bucket.client.send(new PutObjectCommand({ Bucket: rig.bucket.name, Key: 'k', Body, IfNoneMatch: '*' }));
    await put('first');
    await expect(put('second')).rejects.toMatchObject({
      name: 'PreconditionFailed',
      $metadata: { httpStatusCode: 412 },
    });
  });

  test('the start-up probe finds that the store does not overwrite', async () => {
    const app = await rig.drain();
    expect(await app.ended).toBe(0);
    await app.event('bucket-checked');
    await expectExactlyOnce(rig.bucket, ids);
  });

  test('SIGKILL after the upload and before the mark: the object is found, not written again, and the batch is done', async () => {
    const isUpload = ({ method, path }: { method: string; path: string }) =>
      method === 'PUT' && path.includes('.ndjson.gz');
    const reached = new Promise<void>((resolve) => {
      rig.proxy.intervene = {
        after: (seen) => {
          if (!isUpload(seen)) return undefined;
          resolve();
          return new Promise<never>(() => {});
        },
      };
    });
    const app = rig.start();
    await reached;
    app.signal('SIGKILL');
    await app.ended;
    rig.proxy.intervene = {};
    await rig.endLeases();
    rig.start();
    await eventually(async () => expect(await rig.db.states()).toEqual({ done: 10 }));
    expect(rig.proxy.answers.filter(isUpload).map(({ status }) => status)).toEqual([200]);
    await expectExactlyOnce(rig.bucket, ids);
    expect(await rig.bucket.objects()).toHaveLength(1);
  });

  test.each([
    ['AWS_SECRET_ACCESS_KEY', 'wrong', 'the secret key is wrong'],
    ['AWS_ACCESS_KEY_ID', 'UNKNOWN', 'rejects the access key id'],
    ['S3_BUCKET', 'no-such-bucket', 'does not exist'],
  ])('a wrong %s is explained', async (name, value, sentence) => {
    const app = await rig.drain({ [name]: value });
    expect(await app.ended).toBe(1);
    expect(app.output()).toContain(sentence);
  });

  test('in a bucket with Object Lock, objects are locked, and the exporter overwrites and deletes nothing', async () => {
    const locked = await createTestBucket(inject('s3Endpoint'), { objectLock: true });
    const settings = { S3_BUCKET: locked.name, S3_OBJECT_LOCK_MODE: 'COMPLIANCE', S3_OBJECT_LOCK_DAYS: '1' };
    expect(await (await rig.drain(settings)).ended).toBe(0);
    await expectExactlyOnce(locked, ids);
  });

  test('an event that is posted is exported, and GET names its object', async () => {
    const api = await createApiFixture();
    const event = anEvent({ updated_at: '2026-07-03T23:59:59.999Z', updated_values: { text: 'ž' } });
    expect((await api.request('/audit', { body: event })).status).toBe(201);
    const env = exporterEnv({ databaseUrl: api.db.url, endpoint: inject('s3Endpoint'), bucket: rig.bucket.name });
    expect(await spawnApp('exporter/src/main.ts', env, ['--once']).ended).toBe(0);
    const { body } = await api.request(`/audit/${event.id}`);
    expect(body.export.state).toBe('done');
    const object = (await rig.bucket.objects()).find(({ key }) => key === body.export.object_key);
    expect(object?.events).toMatchObject([event]);
    await api.close();
  });
});
