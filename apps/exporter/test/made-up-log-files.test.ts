import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatCheckpoint } from '@auditbox/evidence/checkpoint.ts';
import { formatKeyNote } from '@auditbox/evidence/key-chain.ts';
import { checkpointPath, keyNotePath, logFolder } from '@auditbox/evidence/log-files.ts';
import { createKeySigner, signNote } from '@auditbox/evidence/signed-note.ts';
import { createS3Access } from '@auditbox/s3/s3-access.ts';
import { createS3Client } from '@auditbox/s3/s3-client.ts';
import type { S3Settings } from '@auditbox/s3/s3-settings.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { expectExactlyOnce } from '@auditbox/testing/expectations/expect-exactly-once.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import type { InsteadOf, SeenRequest } from '@auditbox/testing/proxies/s3-proxy.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { DeleteObjectCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { createS3LogStore } from '../src/destinations/s3/s3-log-store.ts';
import { createBucketComparison } from '../src/log/find-ahead.ts';

/* Somebody who may write to the bucket makes up files of the log. Only a signature of the log's key holds the export. */

const origin = 'log.example/test';
const prefix = 'audit_logs/';

function makeKey() {
  const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  const file = join(mkdtempSync(join(tmpdir(), 'log-')), 'key.pem');
  writeFileSync(file, pem);
  return { file, signer: createKeySigner(origin, pem) };
}

const ours = makeKey();
const stranger = makeKey();
const logged = { EXPORT_LOG_ORIGIN: origin, EXPORT_LOG_KEY_FILE: ours.file, EXPORT_LOG_INTERVAL_MS: '100' };
const checkpointOf = (size: number, { signer } = ours) =>
  signNote(formatCheckpoint({ origin, size, root: Buffer.alloc(32, 7) }), [signer]);

const forbidden: InsteadOf = { status: 403, code: 'AccessDenied' };
const archived: InsteadOf = { status: 403, code: 'InvalidObjectState' };

let rig: ExporterFixture;
const events = [11, 12, 13].flatMap((hour) => someEvents(4, { updated_at: `2026-07-03T${hour}:46:50Z` }));
const ids = events.map(({ id }) => id);

beforeEach(async () => {
  rig = await createExporterFixture();
  await rig.db.store(events);
});
afterEach(() => rig.close());

async function put(path: string, Body: string): Promise<void> {
  await rig.bucket.client.send(new PutObjectCommand({ Bucket: rig.bucket.name, Key: `${prefix}${path}`, Body }));
}

async function remove(path: string): Promise<void> {
  await rig.bucket.client.send(new DeleteObjectCommand({ Bucket: rig.bucket.name, Key: `${prefix}${path}` }));
}

async function read(path: string): Promise<string> {
  const { Body } = await rig.bucket.client.send(
    new GetObjectCommand({ Bucket: rig.bucket.name, Key: `${prefix}${path}` }),
  );
  return (await Body?.transformToString()) ?? '';
}

async function listKeyNotes(): Promise<string[]> {
  const { Contents = [] } = await rig.bucket.client.send(
    new ListObjectsV2Command({ Bucket: rig.bucket.name, Prefix: `${prefix}_log/keys/` }),
  );
  return Contents.map(({ Key = '' }) => Key.slice(prefix.length));
}

const isOf = (path: string, { path: url }: SeenRequest) => url.split('?')[0]?.endsWith(`/${path}`) ?? false;

describe('a made-up checkpoint holds nothing, and is reported', () => {
  const huge = checkpointPath(999_999_999_999);

  test.each([
    ['text', huge, async () => 'x'],
    ['nothing', huge, async () => ''],
    ['more bytes than a checkpoint has', huge, async () => 'x'.repeat(300_000)],
    ['a checkpoint that a stranger signed', huge, () => checkpointOf(999_999_999_999, stranger)],
    ['a signed checkpoint of another size', huge, () => checkpointOf(5)],
    ['a signed checkpoint under a name with more digits', '_log/checkpoints/0000000000005', () => checkpointOf(5)],
    ['a name that is not a number', '_log/checkpoints/zzz', () => checkpointOf(5)],
  ])('with %s', async (_what, path, makeBody) => {
    await put(path, await makeBody());
    const app = await rig.drain(logged);
    expect(await app.ended).toBe(0);
    await expectExactlyOnce(rig.bucket, ids);
    expect(app.log.filter(({ event }) => event === 'log-files-unknown')).toEqual([
      expect.objectContaining({ count: 1, files: [{ path, reason: expect.any(String) }] }),
    ]);
    const verified = rig.start(['--verify'], logged);
    expect([await verified.ended, verified.output()]).toEqual([3, expect.stringContaining(`object-unknown\t${path}`)]);
  });

  test('which the store refuses to read while it serves others: its writer chose the key that encrypts it', async () => {
    await put(huge, await checkpointOf(999_999_999_999));
    rig.proxy.intervene = { before: (seen) => (isOf(huge, seen) ? forbidden : undefined) };
    expect(await (await rig.drain(logged)).ended).toBe(0);
    await expectExactlyOnce(rig.bucket, ids);
  });

  test('in an archive class, without a signed copy in its metadata', async () => {
    await put(huge, 'x');
    rig.proxy.intervene = {
      before: (seen) => (seen.method === 'GET' && isOf(huge, seen) ? archived : undefined),
    };
    expect(await (await rig.drain(logged)).ended).toBe(0);
    await expectExactlyOnce(rig.bucket, ids);
  });

  test('also in a running exporter, which goes on exporting and publishing', async () => {
    const app = rig.start([], logged);
    await app.event('checkpoint-published');
    await put(huge, 'x');
    await app.event('log-files-unknown');
    await rig.db.store(someEvents(2, { updated_at: '2026-07-03T15:00:00Z' }));
    await app.event('checkpoint-published', ({ size }) => size === 4);
    app.signal('SIGTERM');
    expect(await app.ended).toBe(0);
    expect(app.log.filter(({ event }) => event === 'log-files-unknown')).toHaveLength(1);
  });
});

describe('a bucket that is ahead holds the export', () => {
  let restored: TestDatabase;

  beforeEach(async () => {
    await rig.drain(logged);
    restored = await openTestDatabase();
    await restored.store(events);
  });
  afterEach(() => restored.close(1_000));

  const drain = (settings = {}) => rig.drain({ ...logged, ...settings, DATABASE_URL: urlAs('exporter', restored.url) });

  async function expectHeld(sentence: string, settings = {}): Promise<void> {
    const app = await drain(settings);
    expect([await app.ended, app.output()]).toEqual([1, expect.stringContaining(sentence)]);
    expect(await restored.states()).toEqual({ pending: 12 });
    await expectExactlyOnce(rig.bucket, ids);
  }

  const ahead = 'The bucket has a signed checkpoint of 3 batches that this database does not know';

  test('among made-up names before and behind the signed checkpoint', async () => {
    for (const path of [1, 2, 4, 999_999].map(checkpointPath)) await put(path, 'x');
    await put('_log/checkpoints/000000000002a', 'x');
    await expectHeld(ahead);
  });

  test('when a lifecycle rule has archived the checkpoint: the copy in its metadata is signed', async () => {
    rig.proxy.intervene = {
      before: (seen) => (seen.method === 'GET' && isOf(checkpointPath(3), seen) ? archived : undefined),
    };
    await expectHeld(ahead);
  });

  test.each<[string, InsteadOf | 'cut' | 'reset', string]>([
    ['is cut', 'cut', 'bytes arrived'],
    ['is broken off', 'reset', 'cannot be reached'],
    ['fails for the moment', { status: 503, code: 'SlowDown' }, 'SlowDown'],
  ])('while each read of the checkpoint %s, and says why', async (_how, how, sentence) => {
    const isRead = (seen: SeenRequest) => seen.method === 'GET' && isOf(checkpointPath(3), seen);
    rig.proxy.intervene = { after: (seen) => (isRead(seen) ? how : undefined) };
    await expectHeld(sentence);
  });

  test('while a proxy cuts the listing of the checkpoints, as if they were not there', async () => {
    rig.proxy.intervene = {
      after: ({ path }) => (path.includes('list-type') && path.includes('checkpoints') ? 'cut' : undefined),
    };
    await expectHeld('The log could not be published and will be tried again');
  });

  test('while no file can be read at all, because a permission is missing', async () => {
    rig.proxy.intervene = {
      before: ({ method, path }) => (method !== 'PUT' && path.includes(logFolder) ? forbidden : undefined),
    };
    await expectHeld('s3:GetObject');
  });

  test('when the key of the log was changed since', async () => {
    const next = makeKey();
    const changed = { EXPORT_LOG_KEY_FILE: next.file, EXPORT_LOG_PREVIOUS_KEY_FILE: ours.file };
    await rig.db.store(someEvents(1, { updated_at: '2026-07-03T15:00:00Z' }));
    expect(await (await rig.drain({ ...logged, ...changed })).ended).toBe(0);
    // The first checkpoint was signed by the key before, which the key note names.
    const app = await drain({ EXPORT_LOG_KEY_FILE: next.file });
    expect([await app.ended, app.output()]).toEqual([1, expect.stringContaining(ahead)]);
    // A stolen key that was changed signs nothing larger.
    await put(checkpointPath(77), await checkpointOf(77));
    const other = await rig.drain({ ...logged, EXPORT_LOG_KEY_FILE: next.file });
    expect([await other.ended, other.output()]).toEqual([0, expect.stringContaining(checkpointPath(77))]);
  });

  test('unless somebody replaced the checkpoint: then rows are exported twice', async () => {
    // The limit that docs/evidence.md states.
    await put(checkpointPath(3), 'x');
    await drain();
    expect(await restored.states()).toEqual({ done: 12 });
  });

  test('and --reconcile brings both together, whatever a stranger has written next to the log', async () => {
    const fake = await formatKeyNote(1, stranger.signer, makeKey().signer);
    await put(checkpointPath(999), 'x');
    await put(checkpointPath(2), await checkpointOf(2, stranger));
    await put(keyNotePath(1), fake);
    await put('_log/keys/zzz', 'x');
    const app = rig.start(['--reconcile'], { ...logged, DATABASE_URL: restored.url });
    expect([await app.ended, app.output()]).toEqual([
      0,
      expect.stringContaining(`${checkpointPath(999)} is not a file of the log and is ignored`),
    ]);
    expect(await (await drain()).ended).toBe(0);
    expect(await restored.states()).toEqual({ done: 12 });
    await expectExactlyOnce(rig.bucket, ids);
  });
});

describe('a hundred thousand made-up names', () => {
  const names = (nameOf: (n: number) => string) => Array.from({ length: 100_000 }, (_, n) => nameOf(n + 1)).sort();
  const { signal } = new AbortController();
  const head = { origin, size: 0, publishedSize: 0, checkpointAgeMs: null, now: '' };

  test('need at most ten listings in a pass, and a later pass finds the signed checkpoint among them', async () => {
    const store = await serveNames(
      names((n) => `${checkpointPath(n)}a`),
      { signed: 45_000 },
    );
    const comparison = createBucketComparison({ ...store, db: rig.db, destination: 's3', keys: [ours.signer.key] });
    const states: string[] = [];
    for (let pass = 0; pass < 12; pass += 1) {
      const before = store.count.list;
      states.push((await comparison.compare(head, signal)).kind);
      expect(store.count.list - before).toBeLessThanOrEqual(10);
    }
    expect(states.slice(0, 4)).toEqual(['same', 'same', 'same', 'same']);
    expect(states.slice(4)).toEqual(Array(8).fill('ahead'));
    store.close();
  });

  test('that look like checkpoints need at most two thousand reads in a pass, and the nearest are read first', async () => {
    const store = await serveNames(names(checkpointPath), { signed: 900 });
    const comparison = createBucketComparison({ ...store, db: rig.db, destination: 's3', keys: [ours.signer.key] });
    expect(await comparison.compare(head, signal)).toEqual({ kind: 'ahead', size: 900 });
    expect(await comparison.compare({ ...head, publishedSize: 1_000 }, signal)).toMatchObject({ kind: 'same' });
    expect(store.count.read).toBeLessThanOrEqual(4_000);
    store.close();
  });
});

/** A store with these files and one signed checkpoint. */
async function serveNames(names: string[], { signed }: { signed: number }) {
  const path = checkpointPath(signed);
  const note = Buffer.from(await checkpointOf(signed));
  const all = [...new Set([...names, path])].sort();
  const count = { list: 0, read: 0 };
  const server = createServer(({ url = '', method }, response) => {
    const { pathname, searchParams } = new URL(url, 'http://store');
    if (searchParams.has('list-type')) {
      count.list += 1;
      const folder = searchParams.get('prefix') ?? '';
      const from = all.findIndex((name) => name > (searchParams.get('start-after') ?? ''));
      const left = from === -1 ? [] : all.slice(from).filter((name) => name.startsWith(folder));
      const rows = left.slice(0, 1_000).map((name) => `<Contents><Key>${name}</Key><Size>1</Size></Contents>`);
      return response.end(
        `<ListBucketResult><IsTruncated>${left.length > 1_000}</IsTruncated>${rows.join('')}</ListBucketResult>`,
      );
    }
    count.read += 1;
    const body = pathname.endsWith(`/${path}`) ? note : Buffer.from('x');
    return response.writeHead(200, { etag: '"x"', 'content-length': body.length }).end(method === 'HEAD' ? '' : body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const settings: S3Settings = {
    ...{ bucket: 'bucket', prefix: '', region: 'us-east-1', forcePathStyle: true, expectedOwner: null },
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    accessKey: { id: 'any', secret: 'any', sessionToken: null },
    ...{ role: null, authorities: null, proxy: null, connectionTimeoutMs: 5_000, requestTimeoutMs: 60_000 },
    ...{ checksum: 'none', encryption: null, storageClass: null, objectLock: null },
  };
  const client = createS3Client(settings, 8);
  return {
    store: createS3LogStore(createS3Access(client, settings), settings),
    count,
    close() {
      client.destroy();
      server.closeAllConnections();
      server.close();
    },
  };
}

test('a made-up tile under the next name of the log blocks the log, which names it, and the export goes on', async () => {
  await put('_log/tile/0/000.p/3', 'x');
  const app = await rig.drain(logged);
  expect([await app.ended, app.output()]).toEqual([
    1,
    expect.stringContaining('The file _log/tile/0/000.p/3 of the log'),
  ]);
  await expectExactlyOnce(rig.bucket, ids);
});

test('the metrics tell another log in the bucket from other reasons of a blocked log, and the log goes on after each', async () => {
  await put('_log/tile/0/000.p/3', 'x');
  const app = rig.start([], logged);
  const { port } = await app.event('exporter-running');
  const expectGauges = (blocked: number, forked: number) =>
    eventually(async () => {
      const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      expect(metrics).toMatch(new RegExp(`^auditbox_log_blocked ${blocked}$`, 'm'));
      expect(metrics).toMatch(new RegExp(`^auditbox_log_forked ${forked}$`, 'm'));
    });
  await expectGauges(1, 1);
  await remove('_log/tile/0/000.p/3');
  await expectGauges(0, 0);
  await app.event('checkpoint-published', ({ size }) => size === 3);
  await remove(checkpointPath(3));
  await expectGauges(1, 0);
});

test('made-up key notes do not stop the log, and not a later change of the key', async () => {
  await put(keyNotePath(1), await formatKeyNote(1, stranger.signer, makeKey().signer));
  await put(keyNotePath(2), 'x');
  await put('_log/keys/a', 'x');
  expect(await (await rig.drain(logged)).ended).toBe(0);
  const next = makeKey();
  await rig.db.store(someEvents(1, { updated_at: '2026-07-03T15:00:00Z' }));
  const changed = { EXPORT_LOG_KEY_FILE: next.file, EXPORT_LOG_PREVIOUS_KEY_FILE: ours.file };
  expect(await (await rig.drain({ ...logged, ...changed })).ended).toBe(0);
  expect(await listKeyNotes()).toContain(keyNotePath(3));
  expect(await read(keyNotePath(3))).toContain('auditbox-key v1');
  const verified = rig.start(['--verify'], { ...logged, EXPORT_LOG_KEY_FILE: next.file });
  expect(await verified.ended).toBe(3);
  const unknown = verified
    .output()
    .split('\n')
    .filter((line) => line.startsWith('object-unknown'));
  expect(unknown.map((line) => line.split('\t')[1])).toEqual([keyNotePath(1), keyNotePath(2), '_log/keys/a']);
});

test('--verify names each file in the folder of the log that is not the log’s', async () => {
  await rig.drain(logged);
  const strange = ['_log/tile/0/001', '_log/tile/entries/000.p/4', '_log/stamps/000000000002.tsr', '_log/x'];
  for (const path of strange) await put(path, 'x');
  // It belongs to a checkpoint of the log.
  await put('_log/cosignatures/000000000003/01234567', 'x');
  const verified = rig.start(['--verify', '--json'], logged);
  expect(await verified.ended).toBe(3);
  for (const path of strange) expect(verified.output()).toContain(`"code":"object-unknown","what":"${path}"`);
  expect(verified.output().split('object-unknown')).toHaveLength(strange.length + 1);
});

test('--verify names no file that an exporter publishes while the folder of the log is listed', async () => {
  await rig.drain(logged);
  await rig.db.store(someEvents(1, { updated_at: '2026-07-03T15:00:00Z' }));
  let publishes = 0;
  rig.proxy.intervene = {
    before: async ({ path }) => {
      const listed = new URL(path, rig.proxy.endpoint).searchParams.get('prefix');
      if (listed !== `${prefix}${logFolder}` || publishes > 0) return undefined;
      publishes += 1;
      expect(await (await rig.drain(logged)).ended).toBe(0);
      return undefined;
    },
  };
  const patient = { S3_REQUEST_TIMEOUT_MS: '300000', EXPORT_LEASE_MS: '600000' };
  const verified = rig.start(['--verify'], { ...logged, ...patient });
  expect([await verified.ended, verified.output()]).toEqual([0, expect.stringContaining('are the same')]);
  expect(publishes).toBe(1);
});

test('files of the log are never stored in an archive class, where nobody could read them', async () => {
  expect(await (await rig.drain({ ...logged, S3_STORAGE_CLASS: 'DEEP_ARCHIVE' })).ended).toBe(0);
  const puts = rig.proxy.requests.filter(({ method, path }) => method === 'PUT' && !path.includes('_auditbox'));
  const archivedPaths = puts.filter(({ headers }) => headers['x-amz-storage-class'] !== undefined);
  expect(archivedPaths).toHaveLength(3);
  expect(archivedPaths.filter(({ path }) => path.includes(logFolder))).toEqual([]);
  expect(puts).toHaveLength(6);
});
