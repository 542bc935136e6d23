import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { type ConnectProxy, startConnectProxy } from '@auditbox/testing/proxies/connect-proxy.ts';
import { startTlsFront, type TlsFront } from '@auditbox/testing/proxies/tls-front.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

/* Ways to the store: TLS with a private authority, and a proxy. */

let rig: ExporterFixture;
let front: TlsFront;
let proxy: ConnectProxy;
let trusted: Record<string, string>;

beforeEach(async () => {
  rig = await createExporterFixture();
  await rig.db.store(someEvents(3));
  front = await startTlsFront(rig.proxy.endpoint);
  proxy = await startConnectProxy();
  trusted = { S3_ENDPOINT: front.endpoint, S3_CA_FILE: front.certificateFile };
});
afterEach(async () => {
  await rig.close();
  await front.close();
  proxy.close();
});

/** Above the size from which the SDK would send Expect: 100-continue. */
/** Events that make an object of four megabytes. */
const large = () =>
  Array.from({ length: 5 }, () => anEvent({ updated_at: '2026-07-03T11:00:00Z', updated_values: noise(800_000) }));

test('a store with a private certificate is rejected, with the setting that fixes it, until S3_CA_FILE names its authority', async () => {
  const refused = await rig.drain({ S3_ENDPOINT: front.endpoint });
  expect(await refused.ended).toBe(1);
  expect(refused.output()).toContain(`The certificate of ${front.endpoint} is not trusted (S3_CA_FILE;`);
  expect(rig.proxy.requests).toHaveLength(0);
  await rig.db.store(large());
  expect(await (await rig.drain(trusted)).ended).toBe(0);
  expect(await rig.db.states()).toEqual({ done: 8 });
});

test('a running exporter uses an authority that was rotated, once the store has its certificate', async () => {
  const app = rig.start([], { ...trusted, EXPORT_RETRY_CAP_MS: '400' });
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 3 }));
  const certificate = await front.rotate();
  await rig.db.store([anEvent()]);
  expect(await app.event('export-blocked')).toMatchObject({ reason: expect.stringContaining('(S3_CA_FILE;') });
  await writeFile(front.certificateFile, certificate);
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 4 }));
});

test('over TLS too, the signature covers the SHA-256 of the body', async () => {
  expect(await (await rig.drain({ ...trusted, S3_CHECKSUM: 'none' })).ended).toBe(0);
  const puts = rig.proxy.requests.filter(({ method }) => method === 'PUT');
  for (const { headers, body } of puts) {
    expect(headers['x-amz-content-sha256']).toBe(createHash('sha256').update(body).digest('hex'));
  }
});

test('with HTTPS_PROXY every https request goes through the proxy, large bodies too, and the store receives all of them', async () => {
  await rig.db.store(large());
  const HTTPS_PROXY = `http://user:hunter2@127.0.0.1:${proxy.port}`;
  const app = await rig.drain({ ...trusted, HTTPS_PROXY });
  expect(await app.ended).toBe(0);
  expect(await rig.db.states()).toEqual({ done: 8 });
  const { host } = new URL(front.endpoint);
  expect(new Set(proxy.tunnels.map(({ target }) => target))).toEqual(new Set([host]));
  expect(new Set(proxy.tunnels.map(({ user }) => user))).toEqual(new Set(['user:hunter2']));
  expect(app.output()).not.toContain('hunter2');
  expect(front.connections()).toBe(proxy.tunnels.length);
});

test.each([
  ['NO_PROXY names the host', () => ({ NO_PROXY: 'localhost,127.0.0.1' })],
  ['the store is reached by plain http', () => ({ S3_ENDPOINT: rig.proxy.endpoint })],
])('the proxy is not used when %s', async (_where, settings) => {
  const HTTPS_PROXY = `http://127.0.0.1:${proxy.port}`;
  expect(await (await rig.drain({ ...trusted, HTTPS_PROXY, ...settings() })).ended).toBe(0);
  expect(proxy.tunnels).toHaveLength(0);
});

test('a proxy that is down or rejects connections is named, and uploads are retried', async () => {
  const HTTPS_PROXY = `http://user:hunter2@127.0.0.1:${proxy.port}`;
  proxy.refuses = true;
  const app = rig.start([], { ...trusted, HTTPS_PROXY });
  await app.event('bucket-unusable', ({ msg }) => /The proxy rejects the connection \(HTTPS_PROXY\).* 407/.test(msg));
  await app.event('upload-retried');
  proxy.refuses = false;
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 3 }));
  proxy.close();
  const other = rig.start([], { ...trusted, HTTPS_PROXY });
  await other.event('bucket-unusable', ({ msg }) =>
    new RegExp(`cannot be reached: .*127.0.0.1:${proxy.port}`).test(msg),
  );
  expect(app.output() + other.output()).not.toContain('hunter2');
});

test('there are as many connections as uploads at once, and no more', async () => {
  for (let hour = 0; hour < 9; hour += 1) await rig.db.store([anEvent({ updated_at: `2026-07-04T0${hour}:00:00Z` })]);
  const { promise: eight, resolve: tell } = Promise.withResolvers<void>();
  let open = 0;
  let most = 0;
  rig.proxy.intervene = {
    before: async ({ path }) => {
      if (!path.includes('.ndjson.gz')) return undefined;
      open += 1;
      most = Math.max(most, open);
      if (open === 8) tell();
      // No upload is answered before eight arrive, and a ninth has a second to come.
      await eight;
      await rig.db.sql`select pg_sleep(1)`;
      open -= 1;
      return undefined;
    },
  };
  expect(await (await rig.drain({ ...trusted, EXPORT_CONCURRENCY: '8' })).ended).toBe(0);
  expect(most).toBe(8);
  expect(front.connections()).toBeLessThanOrEqual(10);
});

/** Text that does not compress to less than half. */
function noise(length: number): string {
  let text = '';
  for (let part = 0; text.length < length; part += 1) text += createHash('sha512').update(String(part)).digest('hex');
  return text;
}
