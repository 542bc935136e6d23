import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, expect, test } from 'vitest';

/* A lifecycle rule has archived one object. It cannot be read before it is restored, and the others can. */

const keyFile = join(mkdtempSync(join(tmpdir(), 'log-')), 'key.pem');
writeFileSync(keyFile, generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }));
const logged = { EXPORT_LOG_ORIGIN: 'log.example/test', EXPORT_LOG_KEY_FILE: keyFile };

let rig: ExporterFixture;

beforeEach(async () => {
  rig = await createExporterFixture();
});
afterEach(() => rig.close());

/** The object of this folder is archived from now on. */
function archive(folder: string): void {
  rig.proxy.intervene = {
    before: ({ method, path }) =>
      method === 'GET' && decodeURIComponent(path).includes(`${folder}/`)
        ? { status: 403, code: 'InvalidObjectState' }
        : undefined,
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

test('--verify names it as not read, compares all others, and records no whole comparison', async () => {
  await exportHours();
  archive('hour=12');
  const unread = {
    code: 'object-unread',
    what: expect.stringContaining('hour=12'),
    says: expect.stringContaining('Restore it first'),
  };
  expect(await runJson('--verify')).toMatchObject({ code: 2, objects: 3, open: 0, unread: 1, differences: [unread] });
  expect(await rig.db.sql`select from auditbox.last_verify`).toHaveLength(0);
  const changed = (await rig.bucket.objects()).find(({ key }) => key.includes('hour=13'));
  await rig.bucket.client.send(new PutObjectCommand({ Bucket: rig.bucket.name, Key: changed?.key, Body: 'x' }));
  expect(await runJson('--verify')).toMatchObject({ code: 3, open: 1, unread: 1 });
  const inWords = rig.start(['--verify']);
  await inWords.ended;
  expect(inWords.output()).toContain('3 objects compared. 1 difference. 1 object could not be read.\n');
});

test('a log that is turned on later logs all other batches, names this one, and logs it once it is restored', async () => {
  await exportHours();
  archive('hour=12');
  const first = await rig.drain(logged);
  expect(await first.ended).toBe(0);
  expect(first.log.filter(({ event }) => event === 'batch-not-logged')).toEqual([
    expect.objectContaining({ msg: expect.stringMatching(/hour=12.* Restore it first/) }),
  ]);
  const size = async () => (await rig.db.sql`select published_size::int as size from auditbox.log_head`)[0]?.size;
  expect(await size()).toBe(2);
  rig.proxy.intervene = {};
  expect(await (await rig.drain(logged)).ended).toBe(0);
  expect(await size()).toBe(3);
});

test('retention keeps its month and removes the others', async () => {
  await rig.db.store([5, 6].map((month) => anEvent({ updated_at: `2020-0${month}-15T11:00:00Z` })));
  expect(await (await rig.drain()).ended).toBe(0);
  archive('dt=2020-05-15');
  const app = rig.start(['--retention', '--json'], { AUDIT_RETENTION_DAYS: '365' });
  expect(await app.ended).toBe(2);
  const line = app
    .output()
    .split('\n')
    .find((text) => text.startsWith('{"dryRun"'));
  expect(JSON.parse(line ?? '{}').months).toMatchObject([
    { month: 'audit_log_2020_05', outcome: 'kept', reason: expect.stringMatching(/dt=2020-05-15.* Restore it first/) },
    { month: 'audit_log_2020_06', outcome: 'removed' },
  ]);
});
