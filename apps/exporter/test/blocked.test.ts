import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { expectExactlyOnce } from '@auditbox/testing/expectations/expect-exactly-once.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import type { InsteadOf } from '@auditbox/testing/proxies/s3-proxy.ts';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';

/*
 * Blocked is not failed. A destination that refuses everything costs no attempt, causes no hot loop, is logged once, and
 * leaves the exporter ready. The export resumes without a restart.
 */

let rig: ExporterFixture;
const events = ['07', '08', '09'].flatMap((hour) => someEvents(3, { updated_at: `2026-07-03T${hour}:00:00Z` }));

beforeEach(async () => {
  rig = await createExporterFixture();
  await rig.db.store(events);
});
afterEach(() => rig.close());

const causes: readonly (readonly [what: string, answer: InsteadOf, said: RegExp])[] = [
  ['missing rights', { status: 403, code: 'AccessDenied' }, /lack a permission/],
  ['a missing bucket', { status: 404, code: 'NoSuchBucket' }, /does not exist/],
  ['a bad KMS key', { status: 400, code: 'KMS.DisabledException' }, /KMS key cannot be used/],
  ['expired credentials', { status: 400, code: 'ExpiredToken' }, /have expired/],
];

test('a store that refuses everything blocks the destination before the first event, until it is well again', async () => {
  const quiet = await createExporterFixture();
  let answer: InsteadOf | undefined = { status: 403, code: 'InvalidAccessKeyId' };
  quiet.proxy.intervene = { before: () => answer };
  const app = quiet.start([], { EXPORT_RETRY_CAP_MS: '400' });
  const { port } = await app.event('exporter-running');
  const metric = async () =>
    (await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()).match(/^auditbox_destination_blocked.*$/m)?.[0];
  await eventually(async () => expect(await metric()).toBe('auditbox_destination_blocked{destination="s3"} 1'));
  answer = undefined;
  await eventually(async () => expect(await metric()).toBe('auditbox_destination_blocked{destination="s3"} 0'));
  await quiet.close();
});

test('a quiet exporter without a region blocks its destination before the first event, and names the setting', async () => {
  const quiet = await createExporterFixture();
  const app = quiet.start([], { S3_ENDPOINT: '', S3_REGION: '', AWS_REGION: '' });
  const { port } = await app.event('exporter-running');
  await eventually(async () => {
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(metrics).toContain('auditbox_destination_blocked{destination="s3"} 1\n');
  });
  expect(app.output()).toContain('S3_REGION');
  await quiet.close();
});

test.each(causes)(
  '%s for a while: no attempt used, no hot loop, one log line, ready, metric, resumes without a restart',
  async (_what, answer, said) => {
    let underWay = 0;
    let mostUnderWay = 0;
    rig.proxy.intervene = {
      before: async () => {
        underWay += 1;
        mostUnderWay = Math.max(mostUnderWay, underWay);
        await rig.db.sql`select pg_sleep(0.02)`;
        underWay -= 1;
        return answer;
      },
    };
    const app = rig.start([], { EXPORT_RETRY_CAP_MS: '400' });
    const { port } = await app.event('exporter-running');
    const get = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      return { status: response.status, text: await response.text() };
    };
    const blocked = await app.event('export-blocked');
    expect(blocked.reason).toMatch(said);
    // Uploads that passed the gate before the first answer may arrive late. After them, one batch probes.
    await eventually(() => expect(rig.proxy.requests.length).toBeGreaterThanOrEqual(8));
    await eventually(() => expect(underWay).toBe(0));
    mostUnderWay = 0;
    const before = rig.proxy.requests.length;
    const watchedFrom = performance.now();
    await eventually(() => expect(rig.proxy.requests.length).toBeGreaterThanOrEqual(before + 8));
    const probes = rig.proxy.requests.length - before;
    const backoffs = (performance.now() - watchedFrom) / 400;

    expect(await get('/readyz')).toEqual({ status: 200, text: 'ready\n' });
    expect((await get('/metrics')).text).toMatch(/^auditbox_destination_blocked\{destination="s3"\} 1$/m);
    expect((await get('/metrics')).text).toMatch(/^auditbox_destination_closed_seconds\{destination="s3"\} [1-9\d.]/m);
    expect(mostUnderWay).toBe(1);
    // Waits are random parts of 400 ms, so some are short. A loop without waits makes hundreds of requests.
    expect(probes).toBeLessThan(10 * (backoffs + 2));
    const [attempts] = await rig.db
      .sql`select max(attempts)::int as most from auditbox.delivery where state = 'sealed'`;
    expect(attempts?.most ?? 0).toBe(0);
    expect(app.log.filter(({ event }) => event === 'export-blocked')).toHaveLength(1);

    rig.proxy.intervene = {};
    await app.event('export-resumed');
    await eventually(async () => expect(await rig.db.states()).toEqual({ done: events.length }));
    expect((await get('/metrics')).text).toMatch(/^auditbox_destination_blocked\{destination="s3"\} 0$/m);
    await expectExactlyOnce(
      rig.bucket,
      events.map(({ id }) => id),
    );
  },
);

test('a block ends when the store is well again, also when another exporter has sent every batch', async () => {
  rig.proxy.intervene = { before: () => ({ status: 403, code: 'AccessDenied' }) };
  const app = rig.start([], { EXPORT_RETRY_CAP_MS: '100' });
  const { port } = await app.event('exporter-running');
  await app.event('export-blocked');
  await rig.drain({ S3_ENDPOINT: inject('s3Endpoint') });
  expect(await rig.db.states()).toEqual({ done: events.length });
  const before = rig.proxy.requests.length;
  await eventually(() => expect(rig.proxy.requests.length).toBeGreaterThan(before + 3));
  expect(app.log.map(({ event }) => event)).not.toContain('export-resumed');
  rig.proxy.intervene = {};
  await app.event('export-resumed');
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  expect(metrics).toMatch(/^auditbox_destination_blocked\{destination="s3"\} 0$/m);
  expect(metrics).toMatch(/^auditbox_destination_closed_seconds\{destination="s3"\} 0$/m);
});

test.each([
  ['until a repair', { status: 403, code: 'SignatureDoesNotMatch' }, 'export-blocked'],
  ['for now', { status: 503, code: 'SlowDown' }, 'upload-retried'],
])('a store that takes the probe and refuses each batch %s is not reported as well', async (_how, answer, closing) => {
  let refused = 0;
  const isClosed = Promise.withResolvers<void>();
  rig.proxy.intervene = {
    async before({ path }) {
      if (path.includes('.ndjson')) {
        refused += 1;
        return answer;
      }
      await isClosed.promise;
      return undefined;
    },
  };
  const app = rig.start([], { EXPORT_RETRY_CAP_MS: '100', EXPORT_CONCURRENCY: '1' });
  // The probe of the start ends after a batch was refused.
  await app.event(closing);
  isClosed.resolve();
  await app.event('bucket-checked');
  await eventually(() => expect(refused).toBeGreaterThan(12));
  expect(app.log.map(({ event }) => event)).not.toContain('export-resumed');
  rig.proxy.intervene = {};
  await app.event('export-resumed');
});

test('a drain ends when somebody pauses the archive while it runs, and says so', async () => {
  let uploads = 0;
  rig.proxy.intervene = {
    after: async ({ method, path }) => {
      if (method !== 'PUT' || !path.includes('.ndjson.')) return undefined;
      uploads += 1;
      await rig.db.sql`update auditbox.destination set is_paused = true where name = 's3'`;
      return undefined;
    },
  };
  const app = await rig.drain({ EXPORT_CONCURRENCY: '1' });
  expect(await app.ended).toBe(2);
  expect(uploads).toBe(1);
  expect(app.log.map(({ event }) => event)).toContain('drain-paused');
  expect(await rig.db.states()).toEqual({ done: 3, sealed: 6 });
});
