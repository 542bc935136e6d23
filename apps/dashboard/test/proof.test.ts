import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatBatchEntry, noPrevious } from '@auditbox/evidence/batch-entry.ts';
import { formatCheckpoint } from '@auditbox/evidence/checkpoint.ts';
import { checkEventProof, formatEventProof, parseEventProof } from '@auditbox/evidence/event-proof.ts';
import { leafHash } from '@auditbox/evidence/merkle.ts';
import { proveInclusion } from '@auditbox/evidence/proofs.ts';
import { createKeySigner, formatVerifierKey, signNote } from '@auditbox/evidence/signed-note.ts';
import { rootOf } from '@auditbox/evidence/tree-nodes.ts';
import { masterKey, startApi } from '@auditbox/testing/fixtures/api-fixture.ts';
import { createExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import fc from 'fast-check';
import type { Browser, Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { findIn } from '../../../packages/evidence/test/find-in.ts';
import { buildPage } from '../build.ts';
import { checkProof } from '../src/event/proof.ts';
import { parseProof } from '../src/event/proof-texts.ts';
import { launchBrowser } from './browser.ts';
import { openTab } from './page-fixture.ts';

/* What the page says of a proof is what the command of the auditor says. */

const origin = 'audit.example.com/prod/s3';
const makePem = () => generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const pem = makePem();
const signer = createKeySigner(origin, pem);
const verifierKey = formatVerifierKey(signer.key);

const browser = await launchBrowser();
if (browser === null) process.stderr.write('\nSKIPPED: the proof on the page. It needs chromium.\n\n');

test.skipIf(browser === null)(
  'the page proves an archived event with the key of the auditor, and denies another key and an event that was changed (needs chromium)',
  async () => {
    if (browser === null) return;
    await buildPage();
    const rig = await createExporterFixture();
    const keyFile = join(mkdtempSync(join(tmpdir(), 'proof-')), 'log.pem');
    writeFileSync(keyFile, pem);
    const events = someEvents(7, { updated_values: { 'žluť "x" \u{1f40e}': 1e-7 } });
    const [kept, changed] = events;
    await rig.db.store(events);
    const exporter = await rig.drain({ EXPORT_LOG_ORIGIN: origin, EXPORT_LOG_KEY_FILE: keyFile });
    expect(await exporter.ended).toBe(0);
    const api = await startApi(urlAs('api', rig.db.url));
    const page = await openEvent(browser, api.url, kept?.id);

    expect(await pressCheck(page, '')).toEqual(['Line holds', 'Log holds', 'Signature unchecked']);
    expect(await pressCheck(page, verifierKey)).toEqual(['Line holds', 'Log holds', 'Signature holds']);
    const stranger = formatVerifierKey(createKeySigner(origin, makePem()).key);
    expect(await pressCheck(page, stranger)).toEqual(['Line holds', 'Log holds', 'Signature broken']);
    expect(await pressCheck(page, 'audit.example.com')).toEqual(['Line holds', 'Log holds', 'Signature broken']);

    const tab = await openEvent(browser, api.url, changed?.id);
    expect(await pressCheck(tab, verifierKey)).toEqual(['Line holds', 'Log holds', 'Signature holds']);
    await rig.db.sql.begin(async (sql) => {
      await sql`set local session_replication_role = replica`;
      await sql`alter table auditbox.audit_log disable trigger user`;
      await sql`update auditbox.audit_log set changed_by = 'nobody' where id = ${changed?.id ?? ''}`;
    });
    // The page reads the event again, and what it said of the old one is gone.
    await tab.getByRole('heading', { name: 'nobody' }).waitFor();
    expect(await tab.locator('.proof-steps li').count()).toBe(0);
    expect(await pressCheck(tab, verifierKey)).toEqual(['Line broken', 'Log holds', 'Signature holds']);
    expect(await tab.locator('.proof-steps').textContent()).toContain('The database and the archive differ.');
    // From then on the api has no proof to give, and says why.
    await tab.reload();
    await tab.getByText('The rows of this batch in the database are not what was archived').waitFor();
    await browser.close();
    await rig.close();
  },
);

test('page and auditor judge every proof alike, whole or changed in any part', async () => {
  const nat = fc.nat();
  const shapes = fc
    .record({ size: fc.integer({ min: 1, max: 70 }), rows: fc.integer({ min: 1, max: 70 }), index: nat, line: nat })
    .map(({ size, rows, index, line }) => ({ size, rows, index: index % size, line: line % rows }));
  const changes = fc.option(
    fc.record({
      ...{ at: nat, by: fc.integer({ min: 1, max: 255 }) },
      part: fc.constantFrom('proof', 'line', 'extra', 'end'),
      how: fc.constantFrom(changeAt, insertAt, removeAt, doubleLineAt),
    }),
  );
  const verdicts = { holds: 0, broken: 0 };
  await fc.assert(
    fc.asyncProperty(shapes, changes, async (shape, change) => {
      const whole = await makeProof(shape);
      const { text, line } = change === null ? whole : spoil(whole, change);
      const audited = judgeAsAuditor(text, line);
      const parts = parseProof(text);
      const steps = parts === null ? [] : await checkProof(line, parts, verifierKey);
      const holds = steps.length === 3 && steps.every(({ state }) => state === 'holds');
      expect(holds ? 'holds' : 'broken').toBe(audited);
      if (change === null) expect(audited).toBe('holds');
      verdicts[audited] += 1;
    }),
    { numRuns: 400 },
  );
  expect(Math.min(verdicts.holds, verdicts.broken)).toBeGreaterThan(50);
});

function judgeAsAuditor(text: string, line: string): 'holds' | 'broken' {
  const proof = parseEventProof(text);
  return proof === null ? 'broken' : checkEventProof(Buffer.from(line), proof, signer.key).kind;
}

type Spoil = (text: string, at: number, by: number) => string;

/** Changes the proof in one place, its end, what its `extra` holds, or the event. */
function spoil(
  proof: { text: string; line: string },
  { part, how, at, by }: { part: string; how: Spoil; at: number; by: number },
) {
  if (part === 'line') return { ...proof, line: how(proof.line, at, by) };
  if (part === 'proof') return { ...proof, text: how(proof.text, at, by) };
  if (part === 'end') return { ...proof, text: how(proof.text, proof.text.length - 1 - (at % 5), by) };
  const [, encoded = ''] = /^extra (\S+)$/m.exec(proof.text) ?? [];
  const extra = how(Buffer.from(encoded, 'base64').toString(), at, by);
  return { ...proof, text: proof.text.replace(encoded, Buffer.from(extra).toString('base64')) };
}

function insertAt(text: string, at: number, by: number): string {
  const place = at % (text.length + 1);
  return `${text.slice(0, place)}${String.fromCharCode(by % 128)}${text.slice(place)}`;
}

function removeAt(text: string, at: number): string {
  const place = at % text.length;
  return `${text.slice(0, place)}${text.slice(place + 1)}`;
}

function doubleLineAt(text: string, at: number): string {
  const lines = text.split('\n');
  const place = at % lines.length;
  return lines.flatMap((line, n) => (n === place ? [line, line] : [line])).join('\n');
}

/** Another character of ASCII at a place of a text. */
function changeAt(text: string, at: number, by: number): string {
  const place = at % text.length;
  const other = String.fromCharCode((text.charCodeAt(place) + by) % 128);
  return `${text.slice(0, place)}${other}${text.slice(place + 1)}`;
}

async function openEvent(browser: Browser, url: string, id: string | undefined): Promise<Page> {
  const page = await openTab(browser);
  await page.goto(`${url}/ui/events/${id}`);
  await page.getByLabel('API key').fill(masterKey);
  await page.getByRole('button', { name: 'Sign in' }).click();
  return page;
}

/** Presses the button, and reads each step's name and verdict. */
async function pressCheck(page: Page, key: string): Promise<string[]> {
  await page.getByLabel('Verifier key of the log').fill(key);
  await page.getByRole('button', { name: 'Check the proof' }).click();
  const steps = page.locator('.proof-steps li');
  await expect.poll(() => steps.count()).toBe(3);
  return steps.evaluateAll((found) =>
    found.map((step) => `${step.querySelector('strong')?.textContent} ${step.className}`),
  );
}

/** A log of batches with one whose lines are known, and the proof of one of its lines. */
async function makeProof(shape: { size: number; index: number; rows: number; line: number }) {
  const lines = Array.from({ length: shape.rows }, (_, n) => `{"id":"${n}"}`);
  const lineLeaves = lines.map((line) => leafHash(Buffer.from(line)));
  const at = '2026-07-03T12:00:12.000000Z';
  const entry = formatBatchEntry({
    ...{ origin, index: shape.index, previous: noPrevious, key: 'dt=2026-07-03/a.ndjson.gz', tenant: null },
    ...{ rows: shape.rows, bytes: 1, sha256: noPrevious, objectBytes: 1, objectSha256: noPrevious },
    lines: rootOf(shape.rows, findIn(lineLeaves)).toString('hex'),
    ...{ first: at, last: at, recordedFirst: at, recordedLast: at, logged: at },
  });
  const find = findIn(
    Array.from({ length: shape.size }, (_, n) => leafHash(Buffer.from(n === shape.index ? entry : String(n)))),
  );
  const checkpoint = await signNote(formatCheckpoint({ origin, size: shape.size, root: rootOf(shape.size, find) }), [
    signer,
  ]);
  const linePath = proveInclusion(shape.line, shape.rows, findIn(lineLeaves));
  const path = proveInclusion(shape.index, shape.size, find);
  return { text: formatEventProof({ entry, ...shape, linePath, path, checkpoint }), line: lines[shape.line] ?? '' };
}
