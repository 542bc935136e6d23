import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { beforeEach, expect, test } from 'vitest';
import { formatBatchEntry } from '../../evidence/src/batch-entry.ts';
import { checkEventProof, type EventProof } from '../../evidence/src/event-proof.ts';
import { formatKeyNote } from '../../evidence/src/key-chain.ts';
import { checkpointPath, keyNotePath } from '../../evidence/src/log-files.ts';
import { leafHash } from '../../evidence/src/merkle.ts';
import { proveInclusion } from '../../evidence/src/proofs.ts';
import { describeLine, makeReceipts } from '../../evidence/src/receipt.ts';
import { formatVerifierKey, parseVerifierKey, type VerifierKey } from '../../evidence/src/signed-note.ts';
import { findIn } from '../../evidence/test/find-in.ts';
import type { ArchiveSource } from '../src/archive/open-archive.ts';
import type { ReceiptRequest } from '../src/receipts/read-receipts.ts';
import { runArchive } from '../src/run-archive.ts';
import { type Level, levels } from '../src/verify-archive.ts';
import { makeArchive, makeSigner, someLines, type TestArchive } from './make-archive.ts';
import { serveArchive } from './serve-archive.ts';

/*
 * What somebody with rights over the bucket, the database or the key can do, and whether a verifier sees it. Where it cannot
 * be seen, the test says so: it holds the limit that docs/evidence.md states.
 */

let archive: TestArchive;
let keys: string[];

beforeEach(async () => {
  archive = makeArchive();
  keys = [11, 12, 13, 14, 15].map((hour) => archive.add(someLines(20, hour), { hour }));
  await archive.publish();
});

interface Options {
  readonly source?: ArchiveSource;
  readonly level?: Level;
  readonly state?: string;
  readonly full?: boolean;
  readonly sample?: number;
  readonly receipts?: ReceiptRequest;
}

async function verify(options: Options = {}, { key, folder }: { key: string; folder: string } = archive) {
  const { level = 'events', state = null, full = false, sample = 0, receipts = null } = options;
  const source = options.source ?? { kind: 'folder', folder };
  const command = {
    source,
    key: parseVerifierKey(key) as VerifierKey,
    level,
    stateFile: state,
    full,
    sample,
    receipts,
  };
  const { exitCode, run, findings } = await runArchive(command, { onFinding() {}, onProgress() {} });
  const codes = [...new Set(findings.map(({ code }) => code))];
  return { exitCode, codes, findings, readObjects: run.readObjects };
}

/** The command itself. */
function program(args: readonly string[]) {
  const file = fileURLToPath(new URL('../src/main.ts', import.meta.url));
  return spawnSync(process.execPath, [file, ...args], { encoding: 'utf8' });
}

const newState = () => join(mkdtempSync(join(tmpdir(), 'state-')), 'state.json');
const pathOf = (file: string) => join(archive.folder, file);
const aKey = () => keys[2] ?? '';

test('an untouched archive holds, at every level', async () => {
  for (const level of levels) expect(await verify({ level })).toMatchObject({ exitCode: 0, codes: [] });
});

test('gzip and zstd objects hold', async () => {
  archive.add(someLines(20, 16), { hour: 16, zstd: true });
  await archive.publish();
  expect(await verify()).toMatchObject({ exitCode: 0, readObjects: 6 });
});

test('a copy holds wherever it lies', async () => {
  const folder = join(mkdtempSync(join(tmpdir(), 'copy-')), 'somewhere else');
  cpSync(archive.folder, folder, { recursive: true });
  expect((await verify({}, { ...archive, folder })).exitCode).toBe(0);
});

test('an overwritten object is named', async () => {
  archive.write(
    aKey(),
    gzipSync(
      someLines(20, 13)
        .map((line) => `${line}\n`)
        .join(''),
    ),
  );
  expect((await verify()).findings).toEqual([expect.objectContaining({ code: 'object-changed', what: aKey() })]);
  expect((await verify()).exitCode).toBe(3);
});

test.each(['0', '5', '10', '-9', '-4', '-1'])('a bit flipped at byte %s of an object is found', async (at) => {
  const body = readFileSync(pathOf(aKey()));
  const place = Number(at) < 0 ? body.length + Number(at) : Number(at);
  body[place] = (body[place] ?? 0) ^ 1;
  archive.write(aKey(), body);
  expect(await verify()).toMatchObject({ exitCode: 3, codes: expect.arrayContaining(['object-changed']) });
});

test.each([
  ['a newer version', 'Version'],
  ['a delete marker', 'DeleteMarker'],
] as const)('%s over a logged object is named in a bucket, and cannot be seen in a copy', async (_what, kind) => {
  const store = await serveArchive(archive, { later: [{ path: aKey(), kind }] });
  expect(await verify({ source: store.source })).toMatchObject({
    exitCode: 3,
    codes: expect.arrayContaining(['object-shadowed']),
  });
  store.close();
  // The limit: a copy has no versions.
  expect((await verify()).exitCode).toBe(0);
});

test('an object that its exporter logged and never stored is named', async () => {
  const key = archive.add(someLines(5, 16), { hour: 16, stored: false });
  await archive.publish();
  expect((await verify({ level: 'head' })).findings).toEqual([
    expect.objectContaining({ code: 'object-missing', what: key }),
  ]);
});

test('a removed object is named, without reading the others', async () => {
  rmSync(pathOf(aKey()));
  const run = await verify({ level: 'head' });
  expect(run.findings).toEqual([expect.objectContaining({ code: 'object-missing', what: aKey() })]);
  expect(run.exitCode).toBe(3);
});

test('a truncated object is found by its length', async () => {
  truncateSync(pathOf(aKey()), 100);
  expect(await verify({ level: 'head' })).toMatchObject({ exitCode: 3, codes: ['object-changed'] });
});

test('an object that somebody else put there is named', async () => {
  archive.write('dt=2026-07-03/hour=13/130000_000000000099_0123456789ab.ndjson.gz', gzipSync('{}\n'));
  archive.write('dt=2026-07-03/hour=13/note.txt', 'hello');
  expect(await verify()).toMatchObject({ exitCode: 3, codes: ['object-not-in-log'] });
  expect((await verify()).findings).toHaveLength(2);
});

test('a younger object may not be logged yet: it is named, and the verdict is not whole', async () => {
  const key = archive.add(someLines(5, 16), { hour: 16, log: false });
  const now = new Date('2026-07-05T00:00:00Z');
  utimesSync(pathOf(key), now, now);
  expect(await verify()).toMatchObject({ exitCode: 2, codes: ['object-unlogged'] });
});

test.each([
  ['a second gzip member', gzipSync('{"id":"evil"}\n')],
  ['zero bytes', Buffer.alloc(8)],
  ['text', Buffer.from('{"id":"evil"}\n')],
])('%s behind an object is found', async (_what, more) => {
  appendFileSync(pathOf(aKey()), more);
  expect(await verify()).toMatchObject({ exitCode: 3, codes: expect.arrayContaining(['gzip-extra']) });
});

test('a second gzip member that the exporter itself logged is found', async () => {
  const store = (object: Buffer) => Buffer.concat([object, gzipSync('{"id":"evil"}\n')]);
  archive.add(someLines(5, 16), { hour: 16, store });
  await archive.publish();
  expect(await verify()).toMatchObject({ exitCode: 3, codes: ['gzip-extra'] });
});

test('the newest objects, tiles and checkpoint removed together: seen with a state file, not without', async () => {
  const state = newState();
  const before = mkdtempSync(join(tmpdir(), 'before-'));
  cpSync(archive.folder, before, { recursive: true });
  archive.add(someLines(5, 16), { hour: 16 });
  await archive.publish();
  expect((await verify({ state })).exitCode).toBe(0);
  // The limit: a shorter log is a whole log.
  expect((await verify({}, { ...archive, folder: before })).exitCode).toBe(0);
  expect(await verify({ state }, { ...archive, folder: before })).toMatchObject({
    exitCode: 3,
    codes: ['rolled-back'],
  });
});

test('everything removed: it could not be checked without a state file, and is broken with one', async () => {
  const empty = mkdtempSync(join(tmpdir(), 'empty-'));
  const state = newState();
  expect((await verify({ state })).exitCode).toBe(0);
  expect((await verify({}, { ...archive, folder: empty })).exitCode).toBe(1);
  expect(await verify({ state }, { ...archive, folder: empty })).toMatchObject({ exitCode: 3, codes: ['rolled-back'] });
});

test('the key signs another history: seen with a state file, not without', async () => {
  const signer = makeSigner('log.example/one');
  const [one, two] = [makeArchive('log.example/one', signer), makeArchive('log.example/one', signer)];
  for (const log of [one, two]) {
    log.add(someLines(3));
    await log.publish();
  }
  const state = newState();
  expect((await verify({ state }, one)).exitCode).toBe(0);
  // The limit: each history alone is whole.
  expect((await verify({}, two)).exitCode).toBe(0);
  expect(await verify({ state }, two)).toMatchObject({ exitCode: 3, codes: ['forked'] });
});

test("the database's state of the log is moved back, and the same size is signed again: seen with a state file", async () => {
  const before = mkdtempSync(join(tmpdir(), 'before-'));
  const signer = makeSigner('log.example/one');
  const log = makeArchive('log.example/one', signer);
  log.add(someLines(3));
  await log.publish();
  cpSync(log.folder, before, { recursive: true });
  log.add(someLines(3, 12), { hour: 12 });
  await log.publish();
  const state = newState();
  expect((await verify({ state }, log)).exitCode).toBe(0);
  const again = makeArchive('log.example/one', signer);
  again.add(someLines(3));
  again.add(someLines(3, 12), { hour: 12 });
  await again.publish();
  expect(await verify({ state }, again)).toMatchObject({ exitCode: 3, codes: ['forked'] });
  // The checkpoint of one log lies in the bucket of the other: they prove it without a state file too.
  cpSync(join(log.folder, checkpointPath(1)), join(again.folder, checkpointPath(1)));
  expect(await verify({}, again)).toMatchObject({ exitCode: 3, codes: ['checkpoint-inconsistent'] });
});

test('a split view: each reader alone sees a whole log, and two readers who compare checkpoints see both', async () => {
  const signer = makeSigner('log.example/one');
  const [one, two] = [makeArchive('log.example/one', signer), makeArchive('log.example/one', signer)];
  for (const [n, log] of [one, two].entries()) {
    log.add(someLines(3 + n));
    await log.publish();
  }
  expect([(await verify({}, one)).exitCode, (await verify({}, two)).exitCode]).toEqual([0, 0]);
  const [first, second] = [one, two].map(({ folder }) => readFileSync(join(folder, checkpointPath(1)), 'utf8'));
  expect(first).not.toBe(second);
});

test('everything is rebuilt with the key, the database and the bucket: only a checkpoint that somebody else kept shows it', async () => {
  const signer = makeSigner('log.example/one');
  const [real, rebuilt] = [makeArchive('log.example/one', signer), makeArchive('log.example/one', signer)];
  real.add(someLines(3));
  rebuilt.add(someLines(2));
  for (const log of [real, rebuilt]) await log.publish();
  const state = newState();
  expect((await verify({ state }, real)).exitCode).toBe(0);
  // The limit.
  expect((await verify({}, rebuilt)).exitCode).toBe(0);
  expect(await verify({ state }, rebuilt)).toMatchObject({ exitCode: 3, codes: ['forked'] });
});

test("last year's log of the same name is refused with a state file", async () => {
  const old = mkdtempSync(join(tmpdir(), 'old-'));
  cpSync(archive.folder, old, { recursive: true });
  archive.add(someLines(5, 16), { hour: 16 });
  await archive.publish();
  const state = newState();
  await verify({ state });
  expect(await verify({ state }, { ...archive, folder: old })).toMatchObject({ exitCode: 3, codes: ['rolled-back'] });
});

test('a row that is changed in the database after its export has no proof', async () => {
  const lines = someLines(4, 16);
  archive.add(lines, { hour: 16 });
  await archive.publish();
  const proof = proveLine(archive, lines, 2);
  const check = (line: string) =>
    checkEventProof(Buffer.from(line), proof, parseVerifierKey(archive.key) as VerifierKey);
  expect(check(lines[2] ?? '').kind).toBe('holds');
  expect(check((lines[2] ?? '').replace('ana', 'eve')).kind).toBe('broken');
  expect(check(lines[1] ?? '').kind).toBe('broken');
});

test('an event that is invented and dated back cannot be told from a late one: its entry says how late it was logged', async () => {
  archive.add(someLines(1, 3), { hour: 3 });
  await archive.publish();
  // The limit: sources also send events late.
  expect(await verify()).toMatchObject({ exitCode: 0, codes: [] });
  const { last = '', logged = '' } = archive.entries.at(-1) ?? {};
  expect([last.slice(0, 13), logged.slice(0, 13)]).toEqual(['2026-07-03T03', '2026-07-04T00']);
});

test('recorded times that are changed before the batch is logged cannot be seen: afterwards they are part of the line', async () => {
  const lines = someLines(3, 16).map((line) => `${line.slice(0, -1)},"recorded_at":"2026-07-03T16:30:00.000000Z"}`);
  const key = archive.add(lines, { hour: 16 });
  await archive.publish();
  // The limit: the log has seen no other time.
  expect((await verify()).exitCode).toBe(0);
  archive.write(key, gzipSync(lines.map((line) => `${line.replace('16:30', '15:30')}\n`).join('')));
  expect(await verify()).toMatchObject({ exitCode: 3, codes: ['object-changed'] });
});

test('an event that is kept out before it is sealed: seen with a receipt, not without', async () => {
  const receipts = makeSigner('audit.example.com/receipts');
  const [line = ''] = someLines(1, 16).map((one) => `${one.slice(0, -1)},"recorded_at":"2026-07-03T16:30:00.000000Z"}`);
  const path = join(mkdtempSync(join(tmpdir(), 'receipts-')), 'receipts.txt');
  writeFileSync(path, (await makeReceipts([describeLine(line)], receipts)).all());
  // The limit: the log begins with the batch.
  expect((await verify()).exitCode).toBe(0);
  expect(await verify({ receipts: { path, keys: [receipts.key], delayMs: 0 } })).toMatchObject({
    exitCode: 3,
    codes: ['receipt-missing'],
  });
});

test('a new key counts only when the key before has named it, and its note cannot be removed', async () => {
  const [old, next, thief] = ['old', 'next', 'thief'].map(() => makeSigner('log.example/one'));
  if (!old || !next || !thief) throw new Error('No keys.');
  const log = makeArchive('log.example/one', old);
  log.add(someLines(3));
  await log.publish();
  log.write(keyNotePath(1), await formatKeyNote(2, old, next));
  log.add(someLines(3, 12), { hour: 12 });
  await log.publish(next);
  expect(await verify({}, log)).toMatchObject({ exitCode: 0 });
  // Anyone who trusts the new key can verify what the old key signed.
  expect(await verify({}, { ...log, key: formatVerifierKey(next.key) })).toMatchObject({ exitCode: 0 });
  const note = join(log.folder, keyNotePath(1));
  writeFileSync(
    note,
    (await formatKeyNote(2, thief, next)).replaceAll(formatVerifierKey(thief.key), formatVerifierKey(old.key)),
  );
  expect((await verify({}, log)).codes).toContain('key-note');
  rmSync(note);
  expect(await verify({}, log)).toMatchObject({ exitCode: 3, codes: expect.arrayContaining(['checkpoint-signature']) });
});

test('two histories in one bucket: the checkpoint of the other one does not fit the entries', async () => {
  const signer = makeSigner('log.example/one');
  const [one, two] = [makeArchive('log.example/one', signer), makeArchive('log.example/one', signer)];
  for (const log of [one, two]) for (let n = 0; n < 3; n += 1) log.add(someLines(3));
  await two.publish();
  await one.publish();
  one.add(someLines(3));
  await one.publish();
  cpSync(join(two.folder, checkpointPath(3)), join(one.folder, checkpointPath(3)));
  expect(await verify({}, one)).toMatchObject({ exitCode: 3, codes: ['checkpoint-inconsistent'] });
});

test("another environment's archive, and another key, are refused", async () => {
  const other = makeSigner('audit.example.com/prod/s3');
  const vkey = `${other.key.name}+${other.key.id}+${Buffer.concat([Buffer.of(1), other.key.publicKey]).toString('base64')}`;
  expect(await verify({}, { ...archive, key: vkey })).toMatchObject({
    exitCode: 3,
    codes: expect.arrayContaining(['checkpoint-signature']),
  });
  const test = makeArchive('audit.example.com/test/s3');
  expect(await verify({}, { ...archive, key: test.key })).toMatchObject({
    exitCode: 3,
    codes: expect.arrayContaining(['checkpoint-origin']),
  });
});

test('the log says what the object is not: each lie is found', async () => {
  archive.add(someLines(5, 16), { hour: 16, lie: { rows: 6 } });
  archive.add(someLines(5, 17), { hour: 17, lie: { lines: 'a'.repeat(64) } });
  archive.add(someLines(5, 18), { hour: 18, lie: { sha256: 'b'.repeat(64) } });
  archive.add(someLines(5, 19), { hour: 19, lie: { first: '2026-07-03T10:00:00.000000Z' } });
  await archive.publish();
  expect(await verify()).toMatchObject({
    exitCode: 3,
    codes: expect.arrayContaining(['rows', 'lines-root', 'object-changed']),
  });
  expect((await verify()).findings.map(({ what }) => what.slice(0, 21))).toEqual(
    expect.arrayContaining([16, 17, 18, 19].map((hour) => `dt=2026-07-03/hour=${hour}`)),
  );
});

test('an exporter that files, sorts or doubles events wrongly is found, though it logs what it stored', async () => {
  const [twice = ''] = someLines(1, 16);
  archive.add([twice], { hour: 16 });
  archive.add([...someLines(2, 16), twice].sort(), { hour: 16 });
  archive.add(someLines(3, 18), { hour: 17 });
  archive.add(someLines(3, 19).reverse(), { hour: 19 });
  archive.add([...someLines(1, 20), '{"id":"cut'], { hour: 20, lie: { last: '2026-07-03T20:00:00.000000Z' } });
  await archive.publish();
  const run = await verify();
  expect(run.exitCode).toBe(3);
  expect(run.codes).toEqual(expect.arrayContaining(['event-twice', 'misfiled', 'unsorted', 'line-malformed']));
  expect(run.findings.find(({ code }) => code === 'event-twice')?.what).toBe(JSON.parse(twice).id);
  // The limit: below the level of events the log's own word counts.
  expect((await verify({ level: 'content' })).exitCode).toBe(0);
});

test('an event of another tenant in an object that the log names as one tenant’s is found', async () => {
  const [first = '', second = ''] = someLines(2, 16).map((line) => `${line.slice(0, -1)},"tenant":"acme"}`);
  const other = second.replace('acme', 'other');
  archive.add([first, second], { hour: 16, lie: { tenant: 'acme' } });
  await archive.publish();
  expect((await verify()).exitCode).toBe(0);
  const mixed = archive.add(
    [first, other].map((line) => line.replace('T16:', 'T17:')),
    { hour: 17, lie: { tenant: 'acme' } },
  );
  await archive.publish();
  const run = await verify();
  expect(run.findings.filter(({ code }) => code === 'other-tenant').map(({ what }) => what)).toEqual([mixed]);
});

test.each(['tile/entries/000.p/5', 'tile/0/000.p/5', 'checkpoints/000000000005'])(
  'any flipped bit in _log/%s is found',
  async (path) => {
    const file = pathOf(`_log/${path}`);
    const body = readFileSync(file);
    for (const at of [0, 3, 40, body.length >> 1, body.length - 2]) {
      const changed = Buffer.from(body);
      changed[at] = (changed[at] ?? 0) ^ 1;
      writeFileSync(file, changed);
      expect([at, (await verify({ level: 'log' })).exitCode]).toEqual([at, 3]);
    }
  },
);

test.each(['tile/entries/000.p/5', 'tile/0/000.p/5'])('_log/%s removed is found', async (path) => {
  rmSync(pathOf(`_log/${path}`));
  expect(await verify({ level: 'log' })).toMatchObject({
    exitCode: 3,
    codes: expect.arrayContaining(['tile-missing']),
  });
});

test('an entry under another place, and an object logged twice, are found', async () => {
  archive.add(someLines(5, 16), { hour: 16, lie: { index: 9 } });
  archive.add(someLines(5, 16), { hour: 16, lie: { key: aKey() } });
  await archive.publish();
  expect((await verify({ level: 'log' })).codes).toEqual(['entry-differs', 'key-twice']);
});

test('a later run reads only what is new, and all of it with --full', async () => {
  const state = newState();
  expect((await verify({ state })).readObjects).toBe(5);
  expect((await verify({ state })).readObjects).toBe(0);
  archive.add(someLines(5, 16), { hour: 16 });
  await archive.publish();
  expect((await verify({ state })).readObjects).toBe(1);
  expect((await verify({ state, full: true })).readObjects).toBe(6);
  expect((await verify({ state, sample: 1 })).readObjects).toBe(6);
  rmSync(pathOf(aKey()));
  expect(await verify({ state })).toMatchObject({ exitCode: 3, codes: ['object-missing'] });
});

test('a broken archive does not move the state file on', async () => {
  const state = newState();
  await verify({ state });
  const before = readFileSync(state, 'utf8');
  rmSync(pathOf(aKey()));
  archive.add(someLines(5, 16), { hour: 16 });
  await archive.publish();
  await verify({ state });
  expect(readFileSync(state, 'utf8')).toBe(before);
});

test.each([0, 1, 2, 255, 256, 257, 600])('a log of %i batches with many checkpoints holds', async (size) => {
  const log = makeArchive();
  for (let n = 0; n < size; n += 1) {
    log.add(someLines(1));
    if (n % 97 === 0) await log.publish();
  }
  await log.publish();
  expect((await verify({ level: 'content' }, log)).exitCode).toBe(0);
  expect(readdirSync(log.folder)).toContain('_log');
});

test('the command prints a line for each finding and the verdict, and says what was not proven', () => {
  const args = ['--from-folder', archive.folder, '--key', archive.key];
  const whole = program(args);
  expect([whole.status, whole.stdout]).toEqual([0, expect.stringContaining('HOLDS: nothing is missing')]);
  expect(whole.stdout).toContain('5 objects with 100 events were read.');
  expect(whole.stdout).toContain('Not proven: anything that happened after the newest checkpoint');
  rmSync(pathOf(aKey()));
  const run = program(args);
  expect([run.status, run.stdout]).toEqual([3, expect.stringMatching(/^object-missing\t[^\t]+\tEntry 2 of the log/)]);
  expect(JSON.parse(program([...args, '--json']).stdout)).toMatchObject({ exitCode: 3, broken: 1, partly: 0 });
});

test.each([
  [['--level', 'all'], '--level is all; it must be log, head, content, events.'],
  [['--sample', '200%'], '--sample is 200%'],
  [['--unknown'], '--unknown'],
  [['--key', 'a+b'], '--key is not a verifier key'],
])('wrong arguments %j are explained and exit with 1', (options, sentence) => {
  const { status, stderr } = program(['--from-folder', archive.folder, '--key', archive.key, ...options]);
  expect([status, stderr]).toEqual([1, expect.stringContaining(sentence)]);
});

test('no archive is written to', async () => {
  const list = () => readdirSync(archive.folder, { recursive: true }).sort();
  const before = list();
  await verify();
  expect(list()).toEqual(before);
});

/** The proof of a line of the newest batch. */
function proveLine({ folder, entries }: TestArchive, lines: readonly string[], line: number): EventProof {
  const texts = entries.map(formatBatchEntry);
  const [index, size] = [entries.length - 1, entries.length];
  const proveIn = (leaves: readonly string[], at: number) =>
    proveInclusion(at, leaves.length, findIn(leaves.map((leaf) => leafHash(Buffer.from(leaf)))));
  return {
    entry: texts[index] ?? '',
    ...{ line, linePath: proveIn(lines, line), index, path: proveIn(texts, index) },
    checkpoint: readFileSync(join(folder, checkpointPath(size)), 'utf8'),
  };
}
