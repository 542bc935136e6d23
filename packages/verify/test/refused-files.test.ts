import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { formatKeyNote } from '../../evidence/src/key-chain.ts';
import { checkpointPath, keyNotePath, stampPath } from '../../evidence/src/log-files.ts';
import { describeLine, makeReceipts } from '../../evidence/src/receipt.ts';
import { parseVerifierKey, type VerifierKey } from '../../evidence/src/signed-note.ts';
import type { ReceiptRequest } from '../src/receipts/read-receipts.ts';
import { runArchive } from '../src/run-archive.ts';
import type { Level } from '../src/verify-archive.ts';
import { makeArchive, makeSigner, someLines, type TestArchive } from './make-archive.ts';
import { serveArchive } from './serve-archive.ts';

/* A store refuses a file and serves the others: the file is named as not checked, and the run goes on. */

const archived = [403, 'InvalidObjectState', '<StorageClass>DEEP_ARCHIVE</StorageClass>'] as const;
const forbidden = [403, 'AccessDenied', ''] as const;
const foreignKey = [400, 'InvalidRequest', ''] as const;

let archive: TestArchive;
let keys: string[];
const closing: (() => void)[] = [];

beforeEach(async () => {
  archive = makeArchive();
  keys = [11, 12, 13].map((hour) => archive.add(someLines(20, hour), { hour }));
  await archive.publish();
});
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const aKey = () => keys[1] ?? '';

type Refusal = readonly [status: number, code: string, more: string];

/** Verifies the archive in a store that answers like this to some paths. */
async function verify(
  refusals: Readonly<Record<string, Refusal>>,
  {
    level = 'events',
    state = null,
    receipts = null,
  }: { level?: Level; state?: string | null; receipts?: ReceiptRequest | null } = {},
) {
  const store = await serveArchive(archive, {
    later: [],
    answer(response, path, body) {
      const refusal = refusals[path] ?? (path.startsWith('_log/') ? undefined : refusals['each object']);
      if (refusal === undefined) return void response.end(body);
      const [status, code, more] = refusal;
      response.writeHead(status).end(`<Error><Code>${code}</Code><Message>x</Message>${more}</Error>`);
    },
  });
  closing.push(store.close);
  const command = {
    key: parseVerifierKey(archive.key) as VerifierKey,
    level,
    stateFile: state,
    full: false,
    sample: 0,
  };
  const { exitCode, findings, run } = await runArchive(
    { ...command, source: store.source, receipts },
    { onFinding() {}, onProgress() {} },
  );
  return { exitCode, findings: findings.map(({ code, what, says }) => [code, what, says]), run };
}

const notChecked = (what: string, says = /^Not checked\. /) => ['unreadable', what, expect.stringMatching(says)];

describe('one object that the store refuses is named, all others are checked, and the exit code is 2', () => {
  test.each([
    ['archived', archived, /^Not checked\. It is archived \(DEEP_ARCHIVE\) and cannot be read\. Restore it/],
    ['forbidden', forbidden, /^Not checked\. The store refuses it\. .* 403 \(AccessDenied\)/],
    ['encrypted with another key', foreignKey, /400 \(InvalidRequest\)/],
  ] as const)('%s', async (_what, refusal, says) => {
    for (const level of ['content', 'events'] as const) {
      const { exitCode, findings, run } = await verify({ [aKey()]: refusal }, { level });
      expect([exitCode, findings]).toEqual([2, [notChecked(aKey(), says)]]);
      expect(run).toMatchObject({ objects: 3, readObjects: 2, readRows: 40, unreadObjects: 1, trustedObjects: 0 });
    }
  });

  test('names and lengths need no reading', async () => {
    expect(await verify({ [aKey()]: archived }, { level: 'head' })).toMatchObject({ exitCode: 0, findings: [] });
  });

  test('and the next run with a state file reads it again, once it is restored', async () => {
    const state = join(mkdtempSync(join(tmpdir(), 'state-')), 'state.json');
    expect((await verify({ [aKey()]: archived }, { state })).exitCode).toBe(2);
    expect(JSON.parse(readFileSync(state, 'utf8'))).toMatchObject({ size: 3, contentSize: 0 });
    expect(await verify({}, { state })).toMatchObject({ exitCode: 0, run: { readObjects: 3 } });
    // An object that was read before may be archived afterwards.
    expect((await verify({ [aKey()]: archived }, { state })).exitCode).toBe(0);
  });

  test('and a changed object next to it is still broken', async () => {
    archive.write(keys[2] ?? '', 'x'.repeat(readFileSync(join(archive.folder, keys[2] ?? '')).length));
    const { exitCode, findings } = await verify({ [aKey()]: archived });
    expect([exitCode, findings.map(([code]) => code).sort()]).toEqual([3, ['object-changed', 'unreadable']]);
  });

  test('and an event with a receipt that may be in it is not called missing', async () => {
    const signer = makeSigner('audit.example.com/receipts');
    const recordedAt = archive.entries[1]?.recordedFirst;
    const [event = ''] = someLines(1, 12);
    const line = `${event.slice(0, -1)},"recorded_at":"${recordedAt}","recorded_by":"key:ci"}`;
    const path = join(mkdtempSync(join(tmpdir(), 'receipts-')), 'a.txt');
    writeFileSync(path, (await makeReceipts([describeLine(line)], signer)).one(0));
    const receipts = { path, keys: [signer.key], delayMs: 0 };
    expect((await verify({}, { receipts })).findings).toEqual([
      ['receipt-missing', JSON.parse(event).id, expect.anything()],
    ]);
    const { exitCode, findings } = await verify({ [aKey()]: archived }, { receipts });
    const pending = expect.stringContaining(`it may be in ${aKey()}, which was not checked`);
    expect([exitCode, findings]).toEqual([2, [notChecked(aKey()), ['receipt-pending', JSON.parse(event).id, pending]]]);
  });
});

describe('a file of the log that the store refuses', () => {
  test.each(['_log/tile/0/000.p/3', checkpointPath(3)])('%s is named, and the run goes on', async (path) => {
    archive.add(someLines(5, 14), { hour: 14 });
    await archive.publish();
    const { exitCode, findings } = await verify({ [path]: archived });
    const named = [['log-file-unreadable', path, expect.stringContaining('Restore it')]];
    // The tile of an earlier size is not needed.
    expect([exitCode, findings]).toEqual(path.includes('tile') ? [0, []] : [2, named]);
  });

  test('a tile of the newest size is named, and the run goes on', async () => {
    const path = '_log/tile/0/000.p/3';
    expect(await verify({ [path]: forbidden })).toMatchObject({
      exitCode: 2,
      findings: [['log-file-unreadable', path, expect.anything()]],
      run: { readObjects: 3 },
    });
  });

  test('the newest checkpoint: nothing is called rolled back or foreign that it may name', async () => {
    const state = join(mkdtempSync(join(tmpdir(), 'state-')), 'state.json');
    archive.add(someLines(5, 14), { hour: 14 });
    await archive.publish();
    expect((await verify({}, { state })).exitCode).toBe(0);
    const { exitCode, findings } = await verify({ [checkpointPath(4)]: archived }, { state, level: 'log' });
    expect([exitCode, findings.map(([code]) => code)]).toEqual([2, ['log-file-unreadable']]);
    // The state does not go back.
    expect(JSON.parse(readFileSync(state, 'utf8'))).toMatchObject({ size: 4 });
  });

  test('a log that is shorter is rolled back, although a made-up checkpoint cannot be read', async () => {
    const state = join(mkdtempSync(join(tmpdir(), 'state-')), 'state.json');
    const root = Buffer.alloc(32).toString('hex');
    writeFileSync(
      state,
      JSON.stringify({
        version: 1,
        origin: 'audit.example.com/prod/s3',
        size: 5,
        root,
        contentSize: 5,
        level: 'log',
        by: 'x',
      }),
    );
    archive.write(checkpointPath(999), 'x');
    const { exitCode, findings } = await verify({ [checkpointPath(999)]: forbidden }, { state });
    expect([exitCode, findings.map(([code]) => code)]).toEqual([3, expect.arrayContaining(['rolled-back'])]);
  });

  test('the only checkpoint, without which nothing can be checked, ends the run with a sentence', async () => {
    await expect(verify({ [checkpointPath(3)]: archived })).rejects.toThrow(/Restore/);
  });

  const entries = '_log/tile/entries/000.p/3';

  test('entries: the tree is derived from their hashes, and their objects are accused of nothing', async () => {
    const { exitCode, findings, run } = await verify({ [entries]: archived });
    expect(findings.map(([code, what]) => `${code} ${what}`).sort()).toEqual([
      `log-file-unreadable ${entries}`,
      ...keys.map((key) => `object-unlogged ${key}`),
    ]);
    expect([exitCode, run.unreadEntries, run.readObjects, run.trustedObjects]).toEqual([2, 3, 0, 0]);
    expect(run.nextState).toMatchObject({ size: 3, contentSize: 0 });
  });

  test('entries and their hashes: nothing can be checked', async () => {
    const refusals = { [entries]: archived, '_log/tile/0/000.p/3': archived };
    await expect(verify(refusals)).rejects.toThrow(
      /_log\/tile\/entries.* the hashes of its entries cannot be read either/,
    );
  });

  test('the first entries of many: the objects of the others are checked, and hashes that are not those of the log are found', async () => {
    archive = makeArchive();
    for (let n = 0; n < 258; n += 1) archive.add(someLines(1));
    await archive.publish();
    const refusals = { '_log/tile/entries/000': archived };
    expect(await verify(refusals)).toMatchObject({ exitCode: 2, run: { unreadEntries: 256, readObjects: 2 } });
    const tile = join(archive.folder, '_log/tile/0/000');
    const hashes = readFileSync(tile);
    hashes[0] = (hashes[0] ?? 0) ^ 1;
    writeFileSync(tile, hashes);
    const { exitCode, findings } = await verify(refusals);
    expect([exitCode, findings.map(([code]) => code)]).toEqual([
      3,
      expect.arrayContaining(['checkpoint-inconsistent']),
    ]);
  });

  test('a key note: what its key may have signed is accused of nothing, and a name that is not of a note means nothing', async () => {
    const [old, next] = [makeSigner(archive.entries[0]?.origin ?? ''), makeSigner(archive.entries[0]?.origin ?? '')];
    archive = makeArchive(old.key.name, old);
    archive.add(someLines(3));
    await archive.publish();
    archive.write(keyNotePath(1), await formatKeyNote(2, old, next));
    archive.add(someLines(3, 12), { hour: 12 });
    await archive.publish(next);
    archive.write('_log/keys/x', 'x');
    const { exitCode, findings, run } = await verify(
      { [keyNotePath(1)]: archived, '_log/keys/x': forbidden },
      { level: 'log' },
    );
    expect([exitCode, findings.map(([code, what]) => [code, what])]).toEqual([
      2,
      expect.arrayContaining([
        ['log-file-unreadable', keyNotePath(1)],
        ['log-file-unreadable', '_log/keys/x'],
        ['checkpoint-signature', checkpointPath(2)],
      ]),
    ]);
    expect(run.log?.checkpoint.size).toBe(1);
    // Without the name of a note, nobody can have named another key by it.
    const other = await verify(
      { [keyNotePath(1)]: [404, 'NoSuchKey', ''], '_log/keys/x': forbidden },
      { level: 'log' },
    );
    expect(other.exitCode).toBe(2);
    rmSync(join(archive.folder, keyNotePath(1)));
    expect((await verify({ '_log/keys/x': forbidden }, { level: 'log' })).exitCode).toBe(3);
  });

  test('a checkpoint that was stamped: nobody is accused of having removed it', async () => {
    archive.add(someLines(5, 14), { hour: 14 });
    await archive.publish();
    archive.write(stampPath(3), 'x');
    const { exitCode, findings } = await verify({ [checkpointPath(3)]: archived });
    expect([exitCode, findings.map(([code]) => code)]).toEqual([2, ['log-file-unreadable']]);
  });
});

describe('a store that refuses everything leaves no verdict, and the sentence says what to do', () => {
  test.each([
    ['a clock that differs', [403, 'RequestTimeTooSkewed', ''], /clock of this machine/],
    [
      'another region',
      [301, 'PermanentRedirect', '<Endpoint>bucket.s3.eu-west-1.amazonaws.com</Endpoint>'],
      /another region \(bucket\.s3\.eu-west-1.* set S3_REGION/,
    ],
    [
      'another region in the signature',
      [400, 'AuthorizationHeaderMalformed', '<Region>eu-west-1</Region>'],
      /another region \(eu-west-1\) than us-east-1/,
    ],
    ['an expired token', [400, 'ExpiredToken', ''], /400 \(ExpiredToken\)/],
    ['a wrong secret', [403, 'SignatureDoesNotMatch', ''], /SignatureDoesNotMatch/],
    ['a bucket that is gone', [404, 'NoSuchBucket', ''], /NoSuchBucket/],
  ] as const)('%s', async (_what, refusal, says) => {
    await expect(verify({ 'each object': refusal })).rejects.toThrow(says);
  });
});
