import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKeySigner } from '@auditbox/evidence/signed-note.ts';
import { expectExactlyOnce } from '@auditbox/testing/expectations/expect-exactly-once.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { testCredentials } from '@auditbox/testing/servers/bucket.ts';
import { runArchive } from '@auditbox/verify/run-archive.ts';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { tenantFolder } from '../src/export/tenant-folder.ts';

/* With EXPORT_BY_TENANT=true each object holds one tenant's events, in that tenant's folder. */

const origin = 'log.example/test';
const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const keyFile = join(mkdtempSync(join(tmpdir(), 'by-tenant-')), 'key.pem');
writeFileSync(keyFile, pem);
const shortLease = { EXPORT_LEASE_MS: '2000', S3_REQUEST_TIMEOUT_MS: '1000' };
const logged = {
  ...shortLease,
  EXPORT_LOG_ORIGIN: origin,
  EXPORT_LOG_KEY_FILE: keyFile,
  EXPORT_LOG_INTERVAL_MS: '100',
};
const byTenant = { ...logged, EXPORT_BY_TENANT: 'true' };
const tenants = [
  'acme',
  '../acme',
  'a/b=c d',
  '__HIVE_DEFAULT_PARTITION__',
  'ü'.repeat(128),
  `${'ü'.repeat(127)}x`,
  '',
];

let rig: ExporterFixture;

beforeEach(async () => {
  rig = await createExporterFixture();
});
afterEach(() => rig.close());

/** Events of all tenants in turn, in two hours. */
function eventsOfAll() {
  return [11, 12].flatMap((hour) =>
    [0, 1, 2].flatMap(() =>
      tenants.flatMap((tenant) => someEvents(1, { updated_at: `2026-07-03T${hour}:46:50Z`, tenant })),
    ),
  );
}

async function audit() {
  const source = {
    kind: 's3',
    ...{ bucket: rig.bucket.name, prefix: 'audit_logs/', region: 'us-east-1', endpoint: rig.proxy.endpoint },
    ...{ ...testCredentials, sessionToken: null },
  } as const;
  const { exitCode, findings } = await runArchive(
    { source, key: createKeySigner(origin, pem).key, level: 'events', stateFile: null, full: false, sample: 0 },
    { onFinding() {}, onProgress() {} },
  );
  return { exitCode, codes: findings.map(({ code }) => code) };
}

async function tenantsByFolder() {
  const folders = new Map<string, Set<string>>();
  for (const { key, events } of await rig.bucket.objects()) {
    const folder = /^audit_logs\/(tenant=[^/]+\/)?dt=/.exec(key)?.[1] ?? '';
    const held = folders.get(folder) ?? new Set();
    for (const { tenant = '' } of events as readonly { tenant?: string }[]) held.add(tenant);
    folders.set(folder, held);
  }
  return folders;
}

test('each tenant has a separate folder, each event is in one object, and the log names the tenants', async () => {
  const events = eventsOfAll();
  await rig.db.store(events);
  for (const tenant of ['acme', null])
    await rig.db.sql`
      select auditbox.create_key(json_build_object('name', 'k', 'hash', ${`of ${tenant}`}::text, 'prefix', '',
        'scopes', json_build_array('read'), 'tenant', ${tenant}::text))`;
  const changes = await rig.db.sql<{ id: string; tenant: string }[]>`
    select id::text, tenant from auditbox.audit_log where table_name = 'auditbox.api_key' order by tenant`;
  expect(changes.map(({ tenant }) => tenant)).toEqual(['', 'acme']);
  expect(await (await rig.drain(byTenant)).ended).toBe(0);
  await expectExactlyOnce(
    rig.bucket,
    [...events, ...changes].map(({ id }) => id),
  );
  const folders = await tenantsByFolder();
  expect(folders.size).toBe(tenants.length);
  for (const tenant of tenants) expect([...(folders.get(tenantFolder(tenant)) ?? [])]).toEqual([tenant]);
  expect(await audit()).toEqual({ exitCode: 0, codes: [] });
  const entries = await rig.db.sql<{ entry: string }[]>`select entry from auditbox.log_entry order by index`;
  const named = entries.map(({ entry }) => decodeURIComponent(/^tenant (\S+)$/m.exec(entry)?.[1] ?? ''));
  expect(new Set(named)).toEqual(new Set(tenants));
});

test('the setting may change at any time: batches of before keep their keys, and nothing is lost or doubled', async () => {
  const [first, second, third] = [eventsOfAll(), eventsOfAll(), eventsOfAll()];
  await rig.db.store(first);
  await rig.drain(logged);
  await rig.db.store(second);
  await rig.drainUntil('exporter after the upload', byTenant);
  await rig.db.store(third);
  expect(await (await rig.drain(logged)).ended).toBe(0);
  await expectExactlyOnce(
    rig.bucket,
    [...first, ...second, ...third].map(({ id }) => id),
  );
  expect((await tenantsByFolder()).size).toBe(tenants.length + 1);
  expect(await audit()).toEqual({ exitCode: 0, codes: [] });
});

test('`--verify` and the commands of the archive read folders of tenants', async () => {
  const events = eventsOfAll();
  await rig.db.store(events);
  await rig.drain(byTenant);
  const verified = rig.start(['--verify'], byTenant);
  const code = await verified.ended;
  expect(code, verified.output()).toBe(0);
});

test('no two tenants share a folder, and a folder is one name that a disk can hold', () => {
  const name = fc.oneof(
    fc.string({ minLength: 1, maxLength: 128, unit: 'binary' }),
    fc.string({ minLength: 1, maxLength: 6, unit: fc.constantFrom('~', '%', '_', '/', '.', 'a', '7', 'E') }),
    fc.constantFrom(...tenants.filter((tenant) => tenant !== '')),
  );
  fc.assert(
    fc.property(name, name, (one, other) => {
      const [a, b] = [tenantFolder(one), tenantFolder(other)];
      expect(a === b).toBe(one === other);
      expect(a).toMatch(/^tenant=[A-Za-z0-9!'()*._~%-]{1,248}\/$/);
      expect(a).not.toBe(tenantFolder(''));
    }),
    { numRuns: 2_000 },
  );
});
