import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, expect, test } from 'vitest';

/* The first of several cells may keep its exporters without CELL_NAME. Its objects then lie next to the folders of the other cells. */

let rig: ExporterFixture;
let other: TestDatabase;
const keyFile = join(mkdtempSync(join(tmpdir(), 'first-cell-')), 'key.pem');
writeFileSync(keyFile, generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }));
const log = { EXPORT_LOG_ORIGIN: 'log.example/test', EXPORT_LOG_KEY_FILE: keyFile, EXPORT_LOG_INTERVAL_MS: '100' };

beforeEach(async () => {
  rig = await createExporterFixture();
  other = await openTestDatabase();
  await rig.db.store(someEvents(5));
  await other.store(someEvents(5));
  expect(await (await rig.drain(log)).ended).toBe(0);
  const app = rig.start(['--once'], {
    ...{ DATABASE_URL: urlAs('exporter', other.url), CELL_NAME: 'birch' },
    ...{ ...log, EXPORT_LOG_ORIGIN: 'log.example/test/birch' },
  });
  expect(await app.ended, app.output()).toBe(0);
});
afterEach(async () => {
  await rig.close();
  await other.close(1_000);
});

const readSize = async () => (await rig.db.sql<[{ size: string }]>`select size::text from auditbox.log_head`)[0].size;

test('the comparison of the first cell does not call the objects of another cell unknown', async () => {
  const keys = (await rig.bucket.objects()).map(({ key }) => key);
  expect(keys.some((key) => key.startsWith('audit_logs/cell=birch/dt='))).toBe(true);
  const app = rig.start(['--verify'], log);
  expect(await app.ended, app.output()).toBe(0);
  // A folder that no cell can have is not left out.
  const Key = (keys[0] ?? '').replace(/^audit_logs\/(cell=birch\/)?/, 'audit_logs/cell=Birch/');
  await rig.bucket.client.send(new PutObjectCommand({ Bucket: rig.bucket.name, Key, Body: 'x' }));
  const strange = rig.start(['--verify'], { ...log, AUDITBOX_COMMAND: 'auditbox' });
  expect(await strange.ended, strange.output()).toBe(3);
  expect(strange.output()).toContain('object-unknown');
  // What to do, as it is called in a container.
  expect(strange.output()).toContain('`auditbox exporter --reconcile`');
});

test('a reconciliation of the first cell takes no object of another cell into its log', async () => {
  const before = await readSize();
  const app = rig.start(['--reconcile'], { ...log, DATABASE_URL: rig.db.url });
  expect(await app.ended, app.output()).toBe(0);
  expect(app.output()).toContain('0 objects are known now. 0 objects have only events');
  expect(await readSize()).toBe(before);
});
