import { generateKeyPairSync } from 'node:crypto';
import { appendFileSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@auditbox/client/audit-client.ts';
import { checkReceipt } from '@auditbox/client/receipt.ts';
import { createKeySigner, formatVerifierKey } from '@auditbox/evidence/signed-note.ts';
import { masterKey, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { testCredentials } from '@auditbox/testing/servers/bucket.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { runArchive } from '@auditbox/verify/run-archive.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

/* Receipts from the api to the bucket: what a writer was told is what an auditor finds. */

const folder = mkdtempSync(join(tmpdir(), 'receipts-'));
function makeKey(name: string) {
  const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  const file = join(folder, `${name}.pem`);
  writeFileSync(file, pem);
  return { file, key: createKeySigner(`audit.example.com/${name}`, pem).key };
}
const [log, receipts] = [makeKey('log'), makeKey('receipts')];
const logged = { EXPORT_LOG_ORIGIN: log.key.name, EXPORT_LOG_KEY_FILE: log.file };
const receipted = { AUDIT_RECEIPTS_ORIGIN: receipts.key.name, AUDIT_RECEIPTS_KEY_FILE: receipts.file };

let rig: ExporterFixture;
let spool: string;
let api: Awaited<ReturnType<typeof startApi>>;

beforeEach(async () => {
  rig = await createExporterFixture();
  spool = join(mkdtempSync(join(folder, 'spool-')), 'receipts.txt');
  api = await startApi(urlAs('api', rig.db.url), receipted);
});
afterEach(() => rig.close());

const createWriter = () =>
  createClient({ baseUrl: api.url, key: masterKey, onReceipt: (receipt) => appendFileSync(spool, receipt) });

async function audit() {
  expect(await (await rig.drain(logged)).ended).toBe(0);
  const source = {
    kind: 's3',
    ...{ bucket: rig.bucket.name, prefix: 'audit_logs/', region: 'us-east-1', endpoint: rig.proxy.endpoint },
    ...{ ...testCredentials, sessionToken: null },
  } as const;
  const { exitCode, findings, run } = await runArchive(
    {
      ...{ source, key: log.key, level: 'events', stateFile: null, full: false, sample: 0 },
      receipts: { path: spool, keys: [receipts.key], delayMs: 0 },
    },
    { onFinding() {}, onProgress() {} },
  );
  return { exitCode, receipts: run.receipts, findings: findings.map(({ code, what }) => [code, what]) };
}

test('each way of writing gives a receipt, and every event is found in the bucket as it was taken', async () => {
  const writer = createWriter();
  await Promise.all(someEvents(40).map((event) => writer.write(event)));
  const { id: _id, ...withoutId } = anEvent({ changed_by: 'žluťoučký "kůň"', object_id: '\u{1f40e}\\' });
  await writer.write(withoutId);
  const secret = anEvent({
    updated_at: '2026-07-03T11:46:50.2Z',
    updated_values: { api_key: 'sk-1234567890abcdef1234567890abcdef' },
    tenant: 'acme',
  });
  await writer.write(secret);
  // The answer to a repeated event has a receipt too: the first answer may have been lost.
  await writer.write(secret);
  const batch = someEvents(700, { tenant: 'acme', updated_values: { password: 'hunter2' } });
  await writer.writeBatch(batch);
  await writer.writeBatch([...batch.slice(0, 3), ...someEvents(2)]);
  const partly = await api.request('/audit/batch?partial=true', {
    body: [...someEvents(3), { ...anEvent(), action: 'nothing' }, ...batch.slice(0, 1)],
  });
  appendFileSync(spool, partly.body.receipt);
  expect(await audit()).toEqual({
    exitCode: 0,
    findings: [],
    receipts: { events: 40 + 1 + 1 + 700 + 2 + 3, found: 40 + 1 + 1 + 700 + 2 + 3 },
  });
});

test('an event that somebody deletes before it is sealed, and one that somebody changes, are found out by their receipts', async () => {
  const writer = createWriter();
  const [kept, deleted, changed] = someEvents(3);
  if (!kept || !deleted || !changed) throw new Error('three events');
  await writer.writeBatch([kept, deleted, changed]);
  await rig.db.sql.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql`alter table auditbox.audit_log disable trigger user`;
    await sql`alter table auditbox.outbox disable trigger user`;
    await sql`delete from auditbox.outbox where audit_id = ${deleted.id}`;
    await sql`delete from auditbox.audit_log where id = ${deleted.id}`;
    await sql`update auditbox.audit_log set changed_by = 'nobody' where id = ${changed.id}`;
  });
  const { exitCode, findings, receipts: found } = await audit();
  expect([exitCode, found]).toEqual([3, { events: 3, found: 1 }]);
  expect(findings.sort()).toEqual([
    ['receipt-differs', changed.id],
    ['receipt-missing', deleted.id],
  ]);
});

test('events that are written at once share a signature, and each writer gets its own event', async () => {
  const kept: string[] = [];
  const writer = createClient({ baseUrl: api.url, key: masterKey, onReceipt: (receipt) => void kept.push(receipt) });
  const events = someEvents(60);
  await Promise.all(events.map((event) => writer.write(event)));
  const verdicts = await Promise.all(kept.map((receipt) => checkReceipt(receipt, formatVerifierKey(receipts.key))));
  const ids = verdicts.flatMap((verdict) => (verdict.kind === 'holds' ? verdict.events.map(({ id }) => id) : []));
  expect(ids.sort()).toEqual(events.map(({ id }) => id).sort());
  const notes = new Set(kept.map((receipt) => receipt.slice(receipt.indexOf('\n\n'))));
  expect(notes.size).toBeLessThan(events.length);
});

test('the log line at start has the key of the receipts', async () => {
  expect(await api.app.event('receipts-signed')).toMatchObject({ key: formatVerifierKey(receipts.key) });
});

test('without a key there are no receipts', async () => {
  const plain = await startApi(urlAs('api', rig.db.url));
  expect((await plain.request('/audit', { body: anEvent() })).headers.get('auditbox-receipt')).toBeNull();
  expect((await plain.request('/audit/batch', { body: someEvents(2) })).body).not.toHaveProperty('receipt');
});
