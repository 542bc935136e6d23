import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, expect, test } from 'vitest';

/*
 * One object cannot be read, and the others can: a lifecycle rule has archived it, or another writer has encrypted it with a foreign key or
 * owns it.
 */

const keyFile = join(mkdtempSync(join(tmpdir(), 'log-')), 'key.pem');
writeFileSync(keyFile, generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }));
const logged = { EXPORT_LOG_ORIGIN: 'log.example/test', EXPORT_LOG_KEY_FILE: keyFile };

let rig: ExporterFixture;

beforeEach(async () => {
  rig = await createExporterFixture();
});
afterEach(() => rig.close());

const codes = ['InvalidObjectState', 'AccessDenied', 'KMS.AccessDeniedException'] as const;
type Code = (typeof codes)[number];

/** What each of them is explained as. */
const says: Readonly<Record<Code, RegExp>> = {
  InvalidObjectState: /Restore it first/,
  AccessDenied: /lack a permission/,
  'KMS.AccessDeniedException': /KMS key cannot be used/,
};

/** The store does not hand out the files whose path has this part, from now on. */
function refuse(part: string, code: Code): void {
  rig.proxy.intervene = {
    before: ({ method, path }) =>
      method === 'GET' && decodeURIComponent(path).includes(part) ? { status: 403, code } : undefined,
  };
}

async function exportHours(): Promise<void> {
  await rig.db.store([11, 12, 13].flatMap((hour) => someEvents(2, { updated_at: `2026-07-03T${hour}:46:50Z` })));
  expect(await (await rig.drain()).ended).toBe(0);
}

async function runJson(...args: string[]) {
  const app = rig.start([...args, '--json']);
  const code = await app.ended;
  const line = app
    .output()
    .split('\n')
    .find((text) => /^\{"(exitCode|dryRun)"/.test(text));
  return { code, ...JSON.parse(line ?? '{}') };
}

test.each(codes)(
  '--verify names it as not read, compares all others, and records no whole comparison (%s)',
  async (code) => {
    await exportHours();
    refuse('hour=12/', code);
    const unread = {
      code: 'object-unread',
      what: expect.stringContaining('hour=12'),
      says: expect.stringMatching(says[code]),
    };
    expect(await runJson('--verify')).toMatchObject({ code: 2, objects: 3, open: 0, unread: 1, differences: [unread] });
    expect(await rig.db.sql`select from auditbox.last_verify`).toHaveLength(0);
    const changed = (await rig.bucket.objects()).find(({ key }) => key.includes('hour=13'));
    await rig.bucket.client.send(new PutObjectCommand({ Bucket: rig.bucket.name, Key: changed?.key, Body: 'x' }));
    expect(await runJson('--verify')).toMatchObject({ code: 3, open: 1, unread: 1 });
    const inWords = rig.start(['--verify']);
    await inWords.ended;
    expect(inWords.output()).toContain('3 objects compared. 1 difference. 1 object could not be read: restore');
  },
);

test('--verify names a file of the log that is not read, and compares everything else', async () => {
  await rig.db.store(someEvents(2, { updated_at: '2026-07-03T11:46:50Z' }));
  expect(await (await rig.drain(logged)).ended).toBe(0);
  refuse('_log/tile/0/000', 'AccessDenied');
  const app = rig.start(['--verify', '--json'], logged);
  expect(await app.ended).toBe(2);
  const line = app
    .output()
    .split('\n')
    .find((text) => text.startsWith('{"exitCode"'));
  expect(JSON.parse(line ?? '{}').differences).toMatchObject([
    { code: 'object-unread', what: '_log/tile/0/000.p/1', says: expect.stringMatching(says.AccessDenied) },
  ]);
});

test('--verify reads again what meets a passing error: an object, a listing, and a file of the log', async () => {
  await rig.db.store([11, 12].flatMap((hour) => someEvents(2, { updated_at: `2026-07-03T${hour}:46:50Z` })));
  expect(await (await rig.drain(logged)).ended).toBe(0);
  const met = new Set<string>();
  rig.proxy.intervene = {
    before: ({ method, path }) => {
      const kind = /list-type|hour=1\d|_log(?:%2F|\/)tile/.exec(decodeURIComponent(path))?.[0];
      if (method !== 'GET' || kind === undefined || met.has(kind)) return undefined;
      met.add(kind);
      return kind === 'hour=12' ? 'reset' : { status: 503, code: 'SlowDown' };
    },
  };
  const app = rig.start(['--verify', '--json'], logged);
  expect(await app.ended).toBe(0);
  expect([...met].sort()).toEqual(['_log/tile', 'hour=11', 'hour=12', 'list-type']);
  expect(await rig.db.sql`select objects::int, differences::int from auditbox.last_verify`).toEqual([
    { objects: 2, differences: 0 },
  ]);
});

test('a store that refuses every object is no comparison, and the sentence names the object', async () => {
  await exportHours();
  rig.proxy.intervene = {
    before: ({ method, path }) =>
      ['GET', 'HEAD'].includes(method) && !path.includes('list-type')
        ? { status: 403, code: 'AccessDenied' }
        : undefined,
  };
  const app = rig.start(['--verify']);
  expect(await app.ended).toBe(1);
  expect(app.output()).toMatch(
    /The object audit_logs\/dt=2026-07-03\/hour=1\d\/.* cannot be read\. .* lack a permission/,
  );
});

test.each(codes)(
  'a log that is turned on later logs all other batches, names this one, and logs it once it is restored (%s)',
  async (code) => {
    await exportHours();
    refuse('hour=12/', code);
    const first = await rig.drain(logged);
    expect(await first.ended).toBe(0);
    expect(first.log.filter(({ event }) => event === 'batch-not-logged')).toEqual([
      expect.objectContaining({ msg: expect.stringMatching(new RegExp(`hour=12.*${says[code].source}`)) }),
    ]);
    const size = async () => (await rig.db.sql`select published_size::int as size from auditbox.log_head`)[0]?.size;
    expect(await size()).toBe(2);
    rig.proxy.intervene = {};
    expect(await (await rig.drain(logged)).ended).toBe(0);
    expect(await size()).toBe(3);
  },
);

test.each(codes)('retention keeps its month and removes the others (%s)', async (code) => {
  await rig.db.store([5, 6].map((month) => anEvent({ updated_at: `2020-0${month}-15T11:00:00Z` })));
  expect(await (await rig.drain()).ended).toBe(0);
  refuse('dt=2020-05-15/', code);
  const app = rig.start(['--retention', '--json'], { AUDIT_RETENTION_DAYS: '365' });
  expect(await app.ended).toBe(2);
  const line = app
    .output()
    .split('\n')
    .find((text) => text.startsWith('{"dryRun"'));
  expect(JSON.parse(line ?? '{}').months).toMatchObject([
    {
      month: 'audit_log_2020_05',
      outcome: 'kept',
      reason: expect.stringMatching(new RegExp(`dt=2020-05-15.*${says[code].source}`)),
    },
    { month: 'audit_log_2020_06', outcome: 'removed' },
  ]);
});
