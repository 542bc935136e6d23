import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect, test } from 'vitest';
import { describeLine, makeReceipts } from '../../evidence/src/receipt.ts';
import { formatVerifierKey } from '../../evidence/src/signed-note.ts';
import { makeArchive, makeSigner, someLines } from './make-archive.ts';

/* The command over the archives of several cells: a receipt does not say which cell has its event. */

const signer = makeSigner('audit.example.com/receipts');
const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const loggedAt = '2026-07-04T00:00:00.000000Z';
const receiptedLines = (count: number, hour: number) =>
  someLines(count, hour).map((line) => `${line.slice(0, -1)},"recorded_at":"${loggedAt}","recorded_by":"key:ci"}`);

let root: string;
let receipts: string;
/** `--cell NAME=KEY` of each cell. */
let given: Record<'ash' | 'birch', string[]>;
let lines: Record<'ash' | 'birch', string[]>;

async function makeCell(name: string, own: readonly string[], folder = `cell=${name}`): Promise<string> {
  const archive = makeArchive(`audit.example.com/prod/${name}`);
  archive.add(own, { hour: 11 });
  await archive.publish();
  // The folder of a cell that has no folder is the root itself.
  if (folder === '')
    for (const part of ['dt=2026-07-03', '_log']) renameSync(join(archive.folder, part), join(root, part));
  else renameSync(archive.folder, join(root, folder));
  return archive.key;
}

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'cells-'));
  receipts = join(mkdtempSync(join(tmpdir(), 'receipts-')), 'receipts.txt');
  lines = { ash: receiptedLines(10, 11), birch: receiptedLines(10, 11) };
  given = {
    ash: ['--cell', `ash=${await makeCell('ash', lines.ash)}`],
    birch: ['--cell', `birch=${await makeCell('birch', lines.birch)}`],
  };
  await keep([...lines.ash, ...lines.birch]);
});

async function keep(kept: readonly string[]): Promise<void> {
  writeFileSync(receipts, (await makeReceipts(kept.map(describeLine), signer)).all());
}

function program(args: readonly string[], { json = false, withReceipts = true } = {}) {
  const asked = withReceipts
    ? ['--receipts', receipts, '--receipt-key', formatVerifierKey(signer.key), '--receipt-delay', '0']
    : [];
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [main, '--from-folder', root, ...asked, ...args, ...(json ? ['--json'] : [])],
    { encoding: 'utf8' },
  );
  return { status, stdout, stderr };
}

const both = () => [...given.ash, ...given.birch];
const idOf = (line = '') => JSON.parse(line).id as string;

test('an event with a receipt is found in whichever cell it is, and each line names its cell', () => {
  const { status, stdout } = program(both());
  expect(status, stdout).toBe(0);
  expect(stdout).toContain('\n20 of 20 events with a receipt are in the archive as they were taken.\nHOLDS: ');
  for (const name of ['ash', 'birch'])
    expect(stdout).toContain(`${name}: Log audit.example.com/prod/${name}: 1 batch,`);
  // One cell alone does not have the events of the other.
  const alone = JSON.parse(program(given.ash, { json: true }).stdout);
  expect([alone.exitCode, alone.receipts]).toEqual([3, { events: 20, found: 10 }]);
});

test('an event that no cell has is missing, and one that has other content is named with its cell', async () => {
  const [gone = ''] = receiptedLines(1, 14);
  const changed = lines.birch[3]?.replace('"ana"', '"eve"') ?? '';
  await keep([gone, changed, ...lines.ash]);
  const { exitCode, findings, cells } = JSON.parse(program(both(), { json: true }).stdout);
  expect(exitCode).toBe(3);
  expect(cells.map((cell: { cell: string; exitCode: number }) => [cell.cell, cell.exitCode])).toEqual([
    ['ash', 0],
    ['birch', 0],
  ]);
  expect(findings.map(({ code, what }: { code: string; what: string }) => [code, what]).sort()).toEqual([
    ['receipt-differs', idOf(changed)],
    ['receipt-missing', idOf(gone)],
  ]);
  expect(JSON.stringify(findings)).toContain('it has other content in cell=birch/dt=2026-07-03/');
});

test.each([
  ['is not there', () => rmSync(join(root, 'cell=birch'), { recursive: true })],
  ['has no checkpoint', () => rmSync(join(root, 'cell=birch', '_log', 'checkpoints'), { recursive: true })],
])(
  'while the archive of a cell %s, its events are unknown and not missing, and the others are checked',
  (_what, spoil) => {
    spoil();
    const { status, stdout } = program(both());
    expect(status, stdout).toBe(2);
    expect(stdout.match(/^receipt-unknown\t/gm)).toHaveLength(10);
    expect(stdout).toContain('it may be in birch, which could not be checked.');
    expect(stdout).not.toContain('receipt-missing');
    expect(stdout).toContain(
      '\n10 of 20 events with a receipt are in the archive as they were taken.\nNot checked: birch.\nHOLDS IN PART: ',
    );
    rmSync(join(root, 'cell=ash'), { recursive: true });
    expect(program(both())).toMatchObject({ status: 1 });
  },
);

test('an event that no cell has is pending while the log of one cell may still name it', async () => {
  const [line = ''] = receiptedLines(1, 14);
  await keep([line.replace(loggedAt, '2026-07-04T00:00:01.000000Z')]);
  const { exitCode, findings } = JSON.parse(program(both(), { json: true }).stdout);
  expect([exitCode, findings[0]]).toEqual([
    2,
    expect.objectContaining({ code: 'receipt-pending', says: expect.stringContaining('The log of ash or birch may') }),
  ]);
});

test('the first cell may have its objects in no folder of a cell: those of the others are not called strange', async () => {
  const old = receiptedLines(5, 11);
  const key = await makeCell('s3', old, '');
  await keep([...old, ...lines.ash, ...lines.birch]);
  const { status, stdout } = program(['--key', key, ...both()]);
  expect(status, stdout).toBe(0);
  expect(stdout).toContain('25 of 25 events');
  expect(stdout).toContain('audit.example.com/prod/s3: Log audit.example.com/prod/s3: 1 batch,');
  // A cell that is not named is strange.
  const { stdout: without } = program(['--key', key, ...given.ash], { withReceipts: false });
  expect(without).toMatch(/^audit\.example\.com\/prod\/s3: object-not-in-log\tcell=birch\/dt=/m);
  expect(without).not.toContain('cell=ash/dt=');
});

test('each cell has its own state file, and none moves on when a receipt shows that something is missing', async () => {
  const state = join(mkdtempSync(join(tmpdir(), 'state-')), 'state.json');
  const files = ['ash', 'birch'].map((name) => `${state}.${name}`);
  await keep([...lines.ash, ...receiptedLines(1, 14)]);
  expect(program([...both(), '--state', state]).status).toBe(3);
  expect(files.map((file) => existsSync(file))).toEqual([false, false]);
  await keep(lines.ash);
  expect(program([...both(), '--state', state]).status).toBe(0);
  expect(files.map((file) => existsSync(file))).toEqual([true, true]);
  // Another log of this name.
  rmSync(join(root, 'cell=birch'), { recursive: true });
  const key = await makeCell('birch', receiptedLines(3, 11));
  const another = program([...given.ash, '--cell', `birch=${key}`, '--state', state], { withReceipts: false });
  expect([another.status, another.stdout]).toEqual([3, expect.stringMatching(/^birch: forked\t/m)]);
});

test.each([
  ['--cell is ash; it must be NAME=KEY', () => ['--cell', 'ash']],
  ['it must be NAME=KEY', () => ['--cell', 'Ash=a+b']],
  ['--cell ash is not a verifier key', () => ['--cell', 'ash=a+b']],
  ['The log of this cell ends with /ash', () => ['--cell', given.birch[1]?.replace('birch=', 'ash=') ?? '']],
  ['--cell is given twice for ash', () => [...given.ash, ...given.ash]],
  ['Two cells have the key of the log', () => [...given.ash, '--key', given.ash[1]?.slice('ash='.length) ?? '']],
  ['--cell is for checking archives', () => [...given.ash, '--pack', '/nowhere']],
  ['--cell is for checking archives', () => [...given.ash, '--tlog', '/nowhere']],
])('wrong arguments are explained and exit with 1: %s', (sentence, args) => {
  const { status, stderr } = program(args(), { withReceipts: false });
  expect([status, stderr]).toEqual([1, expect.stringContaining(sentence)]);
});
