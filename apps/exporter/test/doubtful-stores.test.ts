import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { expectExactlyOnce } from '@auditbox/testing/expectations/expect-exactly-once.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import type { SeenRequest } from '@auditbox/testing/proxies/s3-proxy.ts';
import { spawnProgram } from '@auditbox/testing/servers/spawn-app.ts';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, expect, test } from 'vitest';

/* A store's answer counts only when the object proves it, and this machine's clock does not count. */

let rig: ExporterFixture;
const events = someEvents(10, { updated_at: '2026-07-03T11:46:50Z' });
const ids = events.map(({ id }) => id);
const isUpload = ({ method, path }: SeenRequest) => method === 'PUT' && path.includes('.ndjson.gz');
const reads = () => rig.proxy.requests.filter(({ method, path }) => method === 'GET' && path.includes('.ndjson.gz'));

beforeEach(async () => {
  rig = await createExporterFixture();
  await rig.db.store(events);
});
afterEach(() => rig.close());

/** Puts other bytes under the key of an upload, with its label, like a store that damages objects. */
async function replaceObject(seen: SeenRequest, Body: Buffer): Promise<void> {
  const [, Bucket, ...key] = decodeURIComponent(seen.path.split('?')[0] ?? '').split('/');
  const Metadata = Object.fromEntries(
    Object.entries(seen.headers)
      .filter(([name]) => name.startsWith('x-amz-meta-'))
      .map(([name, value]) => [name.slice('x-amz-meta-'.length), String(value)]),
  );
  await rig.bucket.client.send(new PutObjectCommand({ Bucket, Key: key.join('/'), Body, Metadata }));
}

/** One byte differs; the length is the same. */
const damaged = ({ body }: SeenRequest) => body.map((byte, at) => (at === body.length >> 1 ? byte ^ 1 : byte));
const packedOtherwise = ({ body }: SeenRequest) => gzipSync(gunzipSync(body), { level: 0 });

test('when a store reports that it stored other bytes, the object is read back', async () => {
  rig.proxy.intervene = { after: (seen) => (isUpload(seen) ? 'wrong checksum' : undefined) };
  expect(await (await rig.drain()).ended).toBe(0);
  expect(reads()).toHaveLength(1);
  await expectExactlyOnce(rig.bucket, ids);
});

test('a store that stored other bytes, and reports it, makes the batch fail with an error in the log', async () => {
  rig.proxy.intervene = {
    after: async (seen) => {
      if (!isUpload(seen)) return undefined;
      await replaceObject(seen, Buffer.from(damaged(seen)));
      return 'wrong checksum';
    },
  };
  const app = await rig.drain();
  expect(await app.ended).toBe(2);
  expect(app.output()).toContain('the store kept other bytes');
  expect(await rig.db.states()).toEqual({ failed: 10 });
  rig.proxy.intervene = {};
  expect(await rig.start(['--replay-failed']).ended).toBe(2);
  expect(await rig.db.states()).toEqual({ failed: 10 });
});

test.each([
  ['damaged', damaged, 2, { failed: 10 }],
  ['compressed differently', packedOtherwise, 0, { done: 10 }],
] as const)(
  'an object that is %s, and whose upload had no answer, is compared by content',
  async (_how, change, code, states) => {
    let lost = 0;
    rig.proxy.intervene = {
      after: async (seen) => {
        if (!isUpload(seen) || lost > 0) return undefined;
        lost += 1;
        await replaceObject(seen, Buffer.from(change(seen)));
        return 'reset';
      },
    };
    expect(await (await rig.drain()).ended).toBe(code);
    expect(await rig.db.states()).toEqual(states);
  },
);

test('an object without label that cannot be read is not taken for another one: once it can be read, a replay under any prefix finds it', async () => {
  let isLost = false;
  rig.proxy.intervene = {
    before: ({ method, path }) =>
      method === 'GET' && path.includes('.ndjson.gz') ? { status: 403, code: 'InvalidObjectState' } : undefined,
    after: async (seen) => {
      if (!isUpload(seen) || isLost) return undefined;
      isLost = true;
      await replaceObject({ ...seen, headers: {} }, seen.body);
      return 'reset';
    },
  };
  const app = await rig.drain();
  expect(await app.ended).toBe(2);
  expect(app.output()).toContain('has no label and cannot be read');
  expect(app.output()).not.toContain('holds another object');
  expect(await rig.db.states()).toEqual({ failed: 10 });
  rig.proxy.intervene = {};
  expect(await rig.start(['--replay-failed'], { S3_PREFIX: 'elsewhere/' }).ended).toBe(0);
  expect(await rig.db.states()).toEqual({ done: 10 });
  expect((await rig.bucket.objects()).map(({ events: { length } }) => length)).toEqual([10]);
});

test("an object's retention counts by the database's clock, not the exporter's", async () => {
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
  const preload = fileURLToPath(new URL('../../../packages/faults/src/preload.ts', import.meta.url));
  const threeDaysBehind = { FAULT_CLOCK_MS: String(-3 * 86_400_000) };
  const lock = { S3_OBJECT_LOCK_MODE: 'GOVERNANCE', S3_OBJECT_LOCK_DAYS: '1' };
  const env = { ...rig.env, ...lock, ...threeDaysBehind };
  expect(await spawnProgram(process.execPath, ['--import', preload, main, '--once'], { env }).ended).toBe(0);
  const until = rig.proxy.requests
    .filter(isUpload)
    .map(({ headers }) => headers['x-amz-object-lock-retain-until-date']);
  const [row] = await rig.db.sql<{ ok: boolean }[]>`
    select bool_and(u::timestamptz between now() + interval '23 hours' and now() + interval '24 hours') as ok
    from json_array_elements_text(${JSON.stringify(until)}::text::json) as u`;
  expect(row?.ok).toBe(true);
});

test.each(['gzip', 'zstd'])(
  'a GET that ends early accuses nobody: the batch is read again and done (%s)',
  async (EXPORT_COMPRESSION) => {
    let [lost, cut] = [0, 0];
    rig.proxy.intervene = {
      after: (seen) => {
        if (seen.method === 'PUT' && seen.path.includes('.ndjson.') && lost === 0) {
          lost += 1;
          return 'reset';
        }
        if (seen.method !== 'GET' || !seen.path.includes('.ndjson.') || cut === 2) return undefined;
        cut += 1;
        return 'cut';
      },
    };
    const app = await rig.drain({ EXPORT_COMPRESSION, EXPORT_RETRY_CAP_MS: '50' });
    expect(await app.ended).toBe(0);
    expect(cut).toBe(2);
    expect(await rig.db.states()).toEqual({ done: 10 });
    // The first cut read is followed by the PUT, which finds the object. The second one is repeated.
    expect(app.log.filter(({ code }) => code === 'CutRead')).toHaveLength(1);
    expect((await rig.bucket.objects()).map(({ key }) => key)).toHaveLength(1);
  },
);
