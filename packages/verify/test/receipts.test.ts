import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect, test } from 'vitest';
import { describeLine, makeReceipts } from '../../evidence/src/receipt.ts';
import { formatVerifierKey, parseVerifierKey, type VerifierKey } from '../../evidence/src/signed-note.ts';
import { runArchive } from '../src/run-archive.ts';
import { makeArchive, makeSigner, someLines, type TestArchive } from './make-archive.ts';

/* What a writer's receipts show about an archive, and what they do not show. */

const signer = makeSigner('audit.example.com/receipts');
/** When the archive of the tests logged its batches, which is also when its events were recorded. */
const recordedAt = '2026-07-04T00:00:00.000000Z';
const receiptedLines = (count: number, hour: number) =>
  someLines(count, hour).map((line) => `${line.slice(0, -1)},"recorded_at":"${recordedAt}","recorded_by":"key:ci"}`);

let archive: TestArchive;
let keys: string[];
let lines: string[];
let folder: string;

beforeEach(async () => {
  archive = makeArchive();
  const hours = [11, 12, 13].map((hour) => receiptedLines(20, hour));
  keys = hours.map((one, n) => archive.add(one, { hour: 11 + n }));
  lines = hours.flat();
  await archive.publish();
  folder = mkdtempSync(join(tmpdir(), 'receipts-'));
});

const receiptsOf = (given: readonly string[], by = signer) => makeReceipts(given.map(describeLine), by);

async function keepEach(given: readonly string[], file = 'a.txt'): Promise<void> {
  const receipts = await receiptsOf(given);
  for (const index of given.keys()) appendFileSync(join(folder, file), receipts.one(index));
}

async function verify({ delayMs = 0, path = folder, state = null as string | null } = {}) {
  const { exitCode, run, findings } = await runArchive(
    {
      source: { kind: 'folder', folder: archive.folder },
      key: parseVerifierKey(archive.key) as VerifierKey,
      receipts: { path, keys: [signer.key], delayMs },
      ...{ level: 'content', stateFile: state, full: false, sample: 0 },
    },
    { onFinding() {}, onProgress() {} },
  );
  const { receipts, readObjects } = run;
  return { exitCode, receipts, readObjects, findings: findings.map(({ code, what }) => [code, what]) };
}

test('events whose receipts were kept are found, in a file and in a folder, single ones and whole batches', async () => {
  await keepEach(lines.slice(0, 30));
  expect(await verify({ path: join(folder, 'a.txt') })).toMatchObject({
    exitCode: 0,
    receipts: { events: 30, found: 30 },
  });
  writeFileSync(join(folder, 'b.txt'), (await receiptsOf(lines.slice(20))).all());
  // Ten events have two receipts.
  expect(await verify()).toMatchObject({ exitCode: 0, findings: [], receipts: { events: 60, found: 60 } });
});

test('an event that was kept out of the archive is named, though the archive alone is whole', async () => {
  const [line = ''] = receiptedLines(1, 14);
  await keepEach([line, ...lines.slice(0, 3)]);
  expect(await verify()).toEqual({
    exitCode: 3,
    readObjects: 3,
    receipts: { events: 4, found: 3 },
    findings: [['receipt-missing', JSON.parse(line).id]],
  });
});

test('an event that was changed before it was sealed is named, though the archive alone is whole', async () => {
  const line = lines[25] ?? '';
  await keepEach([line.replace('"ana"', '"eve"'), lines[26] ?? '']);
  expect(await verify()).toMatchObject({ exitCode: 3, findings: [['receipt-differs', JSON.parse(line).id]] });
});

test('the event of a removed object is named, in addition to the object', async () => {
  await keepEach(lines.slice(20, 21));
  rmSync(join(archive.folder, keys[1] ?? ''));
  const { exitCode, findings } = await verify();
  expect([exitCode, findings.map(([code]) => code)]).toEqual([3, ['object-missing', 'receipt-missing']]);
});

test('an event that the log may still name is not missing: it is named, and the verdict is not whole', async () => {
  const [line = ''] = receiptedLines(1, 14);
  await keepEach([line]);
  expect(await verify({ delayMs: 60_000 })).toMatchObject({
    exitCode: 2,
    findings: [['receipt-pending', JSON.parse(line).id]],
  });
});

test('a receipt by another key, of another event, or of no form proves nothing, and is named', async () => {
  const forged = await receiptsOf(lines.slice(0, 1), makeSigner('audit.example.com/receipts'));
  const real = (await receiptsOf(lines.slice(0, 1))).one(0);
  const other = real.replace(/event \S+/, 'event 0197d0d4-0000-7000-8000-000000000000');
  writeFileSync(join(folder, 'a.txt'), `${forged.one(0)}${other}auditbox-receipt v1\nhello\n${real}`);
  const { exitCode, receipts, findings } = await verify();
  expect([exitCode, receipts]).toEqual([3, { events: 1, found: 1 }]);
  expect(findings).toEqual([
    ['receipt-signature', `${join(folder, 'a.txt')}, receipt 1`],
    ['receipt-signature', `${join(folder, 'a.txt')}, receipt 2`],
    ['receipt-malformed', `${join(folder, 'a.txt')}, receipt 3`],
  ]);
});

test('a later run reads an old object again when a receipt is for its time', async () => {
  const state = join(mkdtempSync(join(tmpdir(), 'state-')), 'state.json');
  await keepEach(lines.slice(0, 1));
  expect(await verify({ state })).toMatchObject({ exitCode: 0, readObjects: 3 });
  expect(await verify({ state })).toMatchObject({ exitCode: 0, readObjects: 3, receipts: { events: 1, found: 1 } });
  const early = lines[0]?.replace(recordedAt, '2026-07-03T00:00:00.000000Z') ?? '';
  writeFileSync(join(folder, 'a.txt'), (await receiptsOf([early])).all());
  expect(await verify({ state })).toMatchObject({
    readObjects: 0,
    findings: [['receipt-missing', JSON.parse(early).id]],
  });
});

/** The command itself. */
function program(args: readonly string[]) {
  const file = fileURLToPath(new URL('../src/main.ts', import.meta.url));
  return spawnSync(process.execPath, [file, '--from-folder', archive.folder, '--key', archive.key, ...args], {
    encoding: 'utf8',
  });
}

test('the command says how many events with a receipt are there', async () => {
  await keepEach(lines.slice(0, 5));
  const { status, stdout } = program(['--receipts', folder, '--receipt-key', formatVerifierKey(signer.key)]);
  expect([status, stdout]).toEqual([
    0,
    expect.stringContaining('5 of 5 events with a receipt are in the archive as they were taken.'),
  ]);
});

test.each([
  [['--receipts', 'x'], '--receipts needs --receipt-key'],
  [['--receipt-key', 'x'], '--receipt-key and --receipt-delay need --receipts'],
  [['--receipts', 'x', '--receipt-key', 'a+b'], '--receipt-key is not a verifier key'],
  [['--receipts', 'x', '--receipt-key', 'KEY', '--level', 'head'], '--level head reads no event'],
  [['--receipts', 'x', '--receipt-key', 'KEY', '--receipt-delay', 'soon'], '--receipt-delay is soon'],
  [['--receipts', '/nowhere', '--receipt-key', 'KEY'], 'The receipts in /nowhere cannot be read'],
])('wrong arguments %j are explained and exit with 1', (args, sentence) => {
  const { status, stderr } = program(args.map((arg) => (arg === 'KEY' ? formatVerifierKey(signer.key) : arg)));
  expect([status, stderr]).toEqual([1, expect.stringContaining(sentence)]);
});

test('a folder without receipts could not be checked', () => {
  const { status, stderr } = program(['--receipts', folder, '--receipt-key', formatVerifierKey(signer.key)]);
  expect([status, stderr]).toEqual([1, expect.stringContaining('There are no receipts in')]);
});
