import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkReceipt } from '@auditbox/client/receipt.ts';
import { cellOf } from '@auditbox/db/cells/cell-of.ts';
import { checkEventProof, parseEventProof } from '@auditbox/evidence/event-proof.ts';
import { describeLine } from '@auditbox/evidence/receipt.ts';
import { createKeySigner, formatVerifierKey } from '@auditbox/evidence/signed-note.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { testCredentials } from '@auditbox/testing/servers/bucket.ts';
import { openTestDatabase, openTestSchema, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { listCells, urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { runCells } from '@auditbox/verify/run-cells.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

/*
 * Each cell has its own exporter and its own log, also if two cells are schemas of one database. A caller of the api gets proofs and
 * receipts without knowing which cell has an event, and an auditor checks receipts without knowing it.
 */

const names = ['ash', 'birch', 'cedar'] as const;
const folder = mkdtempSync(join(tmpdir(), 'log-of-cells-'));
function makeKey(name: string) {
  const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  const file = join(folder, `${name.replaceAll('/', '-')}.pem`);
  writeFileSync(file, pem);
  return { file, key: createKeySigner(`log.example/${name}`, pem).key };
}
const logs = Object.fromEntries(names.map((name) => [name, makeKey(`test/${name}`)]));
const receipts = makeKey('receipts');

let rig: ExporterFixture;
/** The second one is a schema in the database of the first one. */
let cells: Readonly<Record<(typeof names)[number], TestDatabase>>;
let api: Awaited<ReturnType<typeof startApi>>;
let receipt: string;
const cellNamed = (id: string) => cellOf(id, names);
/** Four of each cell in each of two hours. */
const events = [11, 12].flatMap((hour) => {
  const many = someEvents(200, { updated_at: `2026-07-03T${hour}:46:50Z` });
  return names.flatMap((name) => many.filter(({ id }) => cellNamed(id) === name).slice(0, 4));
});

beforeAll(async () => {
  rig = await createExporterFixture();
  const [birch, cedar] = await Promise.all([openTestSchema(rig.db.url, 'cell_b'), openTestDatabase()]);
  cells = { ash: rig.db, birch, cedar };
  api = await startApi('', {
    DATABASE_CELLS: listCells('api', cells),
    AUDIT_RECEIPTS_ORIGIN: receipts.key.name,
    AUDIT_RECEIPTS_KEY_FILE: receipts.file,
  });
  const stored = await api.request('/audit/batch', { body: events });
  expect([stored.status, stored.body.created]).toEqual([201, events.length]);
  receipt = stored.body.receipt;
  await exportAll();
});
afterAll(async () => {
  await cells.birch.close(1_000);
  await rig.close();
  await cells.cedar.close(1_000);
});

/** The lines of the objects by the ids of their events, each of which is there once, and the cell in the objects' keys. */
async function readLines(): Promise<Map<string, { line: string; cell: string }>> {
  const lines = new Map<string, { line: string; cell: string }>();
  for (const { key, text } of await rig.bucket.objects())
    for (const line of text.split('\n').slice(0, -1)) {
      const { id } = JSON.parse(line);
      expect(lines.has(id), `${id} is exported twice`).toBe(false);
      lines.set(id, { line, cell: /\bcell=([^/]+)\//.exec(key)?.[1] ?? '' });
    }
  return lines;
}

test('a proof of each event holds against the log of its cell, and the checkpoint is that of the cell', async () => {
  const lines = await readLines();
  expect([...lines.keys()].sort()).toEqual(events.map(({ id }) => id).sort());
  expect(new Set(events.map(({ id }) => cellNamed(id))).size).toBe(names.length);
  for (const { id } of events) {
    const name = cellNamed(id);
    const { line = '', cell } = lines.get(id) ?? {};
    expect(cell).toBe(name);
    // In upper case too, as an id may be written.
    const proof = await api.request(`/audit/${id.toUpperCase()}/proof`);
    expect(proof.status, proof.text).toBe(200);
    const parsed = parseEventProof(proof.text);
    if (parsed === null) throw new Error('It is not a proof.');
    expect(checkEventProof(Buffer.from(line), parsed, logs[name]?.key as never)).toMatchObject({ kind: 'holds' });
    expect((await api.request(`/log/checkpoint?cell=${name}`)).text).toBe(parsed.checkpoint);
  }
  expect((await api.request('/audit/00000000-0000-4000-8000-000000000000/proof')).status).toBe(404);
  const { status, body } = await api.request('/log/checkpoint');
  expect([status, body.errors[0].message]).toEqual([400, 'must be one of ash, birch, cedar']);
});

test('answers carry the checkpoints of all cells in turn', async () => {
  const seen = new Set<string>();
  await eventually(async () => {
    const header = (await api.request('/audit')).headers.get('auditbox-checkpoint') ?? '';
    seen.add(Buffer.from(header, 'base64').toString().split('\n')[0] ?? '');
    expect([...seen].filter(Boolean).sort()).toEqual(names.map((name) => `log.example/test/${name}`));
  });
});

test('the receipt of a batch over several cells is one, and each of its events is in the bucket as it was taken', async () => {
  const checked = await checkReceipt(receipt, formatVerifierKey(receipts.key));
  if (checked.kind !== 'holds') throw new Error(checked.reason);
  const lines = await readLines();
  expect(checked.events).toEqual(events.map(({ id }) => describeLine(lines.get(id)?.line ?? '')));
});

/** The auditor's command over all cells. `unreachable` names cells whose store does not answer. */
async function audit(kept: string, { unreachable = [] as string[] } = {}) {
  const path = join(mkdtempSync(join(folder, 'kept-')), 'receipts.txt');
  writeFileSync(path, kept);
  const cells = names.map((name) => ({
    ...{
      name,
      folder: `cell=${name}/`,
      key: (logs[name] as ReturnType<typeof makeKey>).key,
      policy: null,
      stateFile: null,
    },
    source: {
      kind: 's3' as const,
      ...{ bucket: rig.bucket.name, prefix: `audit_logs/cell=${name}/`, region: 'us-east-1', sessionToken: null },
      ...{ ...testCredentials, endpoint: unreachable.includes(name) ? 'http://127.0.0.1:1' : rig.proxy.endpoint },
    },
  }));
  const {
    exitCode,
    receipts: found,
    findings,
  } = await runCells(
    {
      ...{ cells, level: 'content', full: false, sample: 0 },
      receipts: { path, keys: [receipts.key], delayMs: 0 },
    },
    { onFinding() {}, onProgress() {}, onChecked() {} },
  );
  return { exitCode, found: found?.found, findings: findings.map(({ code, what }) => [code, what]).sort() };
}

/** Each cell exports and logs what it has. */
async function exportAll(): Promise<void> {
  const ends = await Promise.all(
    names.map(async (name) => {
      const { url, schema } = cells[name];
      const { file, key } = logs[name] as ReturnType<typeof makeKey>;
      const app = rig.start(['--once'], {
        ...{ DATABASE_URL: urlAs('exporter', url), DATABASE_SCHEMA: schema, CELL_NAME: name },
        ...{ EXPORT_LOG_ORIGIN: key.name, EXPORT_LOG_KEY_FILE: file, EXPORT_LOG_INTERVAL_MS: '100' },
      });
      return [await app.ended, app.output()];
    }),
  );
  for (const [code, output] of ends) expect(code, String(output)).toBe(0);
}

test('receipts of events in several cells are all found, and an event is missing only if no cell has it', async () => {
  expect(await audit(receipt)).toEqual({ exitCode: 0, found: events.length, findings: [] });
  const more = someEvents(30, { updated_at: '2026-07-03T13:00:00Z' });
  const stored = await api.request('/audit/batch', { body: more });
  expect(stored.status).toBe(201);
  // Somebody with the rights of the owner keeps an event out before it is sealed.
  const victim = more.find(({ id }) => cellNamed(id) === 'birch')?.id ?? '';
  await cells.birch.sql.begin(async (sql) => {
    for (const [table, column] of [
      ['outbox', 'audit_id'],
      ['audit_log', 'id'],
    ] as const) {
      await sql.unsafe(`alter table auditbox.${table} disable trigger user`);
      await sql.unsafe(`delete from auditbox.${table} where ${column} = '${victim}'`);
    }
  });
  await exportAll();
  expect(await audit(`${receipt}${stored.body.receipt}`)).toEqual({
    exitCode: 3,
    found: events.length + more.length - 1,
    findings: [['receipt-missing', victim]],
  });
});

test('the events of a cell whose archive cannot be reached are unknown, and none is called missing', async () => {
  const inCedar = events.map(({ id }) => id).filter((id) => cellNamed(id) === 'cedar');
  expect(await audit(receipt, { unreachable: ['cedar'] })).toEqual({
    exitCode: 2,
    found: events.length - inCedar.length,
    findings: inCedar.map((id) => ['receipt-unknown', id]).sort(),
  });
});
