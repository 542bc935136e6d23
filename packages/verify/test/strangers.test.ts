import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, test } from 'vitest';
import { formatBatchEntry } from '../../evidence/src/batch-entry.ts';
import { formatEventProof } from '../../evidence/src/event-proof.ts';
import { formatKeyNote } from '../../evidence/src/key-chain.ts';
import { createLineTree } from '../../evidence/src/line-tree.ts';
import { checkpointPath, keyNotePath } from '../../evidence/src/log-files.ts';
import { leafHash } from '../../evidence/src/merkle.ts';
import { proveInclusion } from '../../evidence/src/proofs.ts';
import { parseVerifierKey, type VerifierKey } from '../../evidence/src/signed-note.ts';
import { findIn } from '../../evidence/test/find-in.ts';
import type { ArchiveSource } from '../src/archive/open-archive.ts';
import { runArchive } from '../src/run-archive.ts';
import type { Level } from '../src/verify-archive.ts';
import { makeArchive, makeSigner, someLines, type TestArchive } from './make-archive.ts';
import { serveArchive } from './serve-archive.ts';
import { withoutProgress } from './without-progress.ts';

/* Folders, stores and packs that a stranger made: the command gives a verdict or a sentence, and never hangs, breaks or lies. */

let archive: TestArchive;
let keys: string[];

beforeEach(async () => {
  archive = makeArchive();
  keys = [11, 12, 13].map((hour) => archive.add(someLines(20, hour), { hour }));
  await archive.publish();
});

const pathOf = (file: string) => join(archive.folder, file);
const aKey = () => keys[1] ?? '';

async function verify({
  source = { kind: 'folder', folder: archive.folder } as ArchiveSource,
  level = 'events' as Level,
  state = null as string | null,
} = {}) {
  const key = parseVerifierKey(archive.key) as VerifierKey;
  const command = { source, key, level, stateFile: state, full: false, sample: 0 };
  const { exitCode, findings, run } = await runArchive(command, { onFinding() {}, onProgress() {} });
  return { exitCode, codes: [...new Set(findings.map(({ code }) => code))], run };
}

/** The command itself. A run that hangs ends without a status. */
function program(args: readonly string[]) {
  const file = fileURLToPath(new URL('../src/main.ts', import.meta.url));
  return spawnSync(process.execPath, [file, ...args], { encoding: 'utf8', timeout: 300_000 });
}

const verifyByCommand = (...more: readonly string[]) =>
  program(['--from-folder', archive.folder, '--key', archive.key, ...more]);

describe('a folder', () => {
  test.each([
    ['a pipe', () => execFileSync('mkfifo', [pathOf('dt=2026-07-03/hour=11/pipe')])],
    [
      'a pipe instead of a tile',
      () => {
        const tile = pathOf('_log/tile/0/000.p/3');
        rmSync(tile);
        execFileSync('mkfifo', [tile]);
      },
    ],
    ['a device', () => symlinkSync('/dev/zero', pathOf('dt=2026-07-03/zero'))],
    ['a link to its own folder', () => symlinkSync(archive.folder, pathOf('dt=2026-07-03/again'))],
    ['a link to itself', () => symlinkSync('itself', pathOf('dt=2026-07-03/itself'))],
  ])('with %s: it is named as not checked, and the others are checked', (_what, spoil) => {
    spoil();
    const { status, stdout, stderr } = verifyByCommand();
    expect([status, withoutProgress(stderr)]).toEqual([2, '']);
    expect(stdout).toMatch(
      /^(unreadable|log-file-unreadable)\t[^\t]+\tNot checked\. It (is not a file|cannot be read: ELOOP)/,
    );
    expect(stdout).toContain('3 objects with 60 events were read');
    expect(stdout).toContain('HOLDS IN PART');
  });

  test('with a link that leads nowhere, or a name that is not UTF-8, has one object too many', async () => {
    symlinkSync('/nowhere', pathOf('dt=2026-07-03/gone'));
    writeFileSync(Buffer.concat([Buffer.from(`${archive.folder}/dt=2026-07-03/`), Buffer.of(0xff, 0xfe)]), 'x');
    expect(await verify()).toMatchObject({ exitCode: 3, codes: ['object-not-in-log'] });
  });

  test('whose objects are links to files holds', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'elsewhere-'));
    renameSync(pathOf(aKey()), join(elsewhere, 'object'));
    symlinkSync(join(elsewhere, 'object'), pathOf(aKey()));
    expect((await verify()).exitCode).toBe(0);
  });

  test.each(['_log/checkpoints/000000000003', '_log/tile/0/000.p/3', '_log/tile/entries/000.p/3'])(
    'whose file %s has 10 GB of zeros is broken, and needs no memory for them',
    (path) => {
      truncateSync(pathOf(path), 10 * 1024 ** 3);
      const { status, stderr } = verifyByCommand();
      expect([status, withoutProgress(stderr)]).toEqual([3, '']);
    },
  );

  test('with a checkpoint that nobody signed, of more batches than there are, is written as a log without it', () => {
    copyFileSync(pathOf(checkpointPath(3)), pathOf(checkpointPath(999_999_999_999)));
    const folder = mkdtempSync(join(tmpdir(), 'tlog-'));
    const { status, stdout } = verifyByCommand('--tlog', folder);
    expect([status, stdout]).toEqual([0, expect.stringContaining('The log of 3 batches is in')]);
    expect(readFileSync(join(folder, 'checkpoint'), 'utf8')).toContain('\n3\n');
    expect(verifyByCommand().status).toBe(3);
  });
});

describe('a file that a stranger wrote into the folder of the log is named, and the log is verified all the same', () => {
  const stranger = makeSigner('audit.example.com/prod/s3');
  const path = (name: string) => `_log/${name}`;

  test.each([
    ['another name', path('x'), 'x', 'object-not-in-log'],
    ['a tile that no log has', path('tile/0/000.p/0'), 'x', 'object-not-in-log'],
    ['a tile of a larger log', path('tile/0/000.p/4'), 'x', 'object-not-in-log'],
    ['entries of a larger log', path('tile/entries/000'), 'x', 'object-not-in-log'],
    ['a key note', keyNotePath(1), 'x', 'key-note'],
    ['a signed key note', keyNotePath(1), formatKeyNote(1, stranger, makeSigner(stranger.key.name)), 'key-unknown'],
    ['a checkpoint', checkpointPath(9), 'x', 'checkpoint-malformed'],
  ])('%s', async (_what, name, body, code) => {
    // An hour older than the newest entry: no exporter is about to publish it.
    archive.write(name, await body);
    const { exitCode, codes, run } = await verify();
    expect([exitCode, codes, run.log?.checkpoint.size, run.readObjects]).toEqual([3, [code], 3, 3]);
  });

  test('a young tile of a larger log may be published by an exporter just now', async () => {
    writeFileSync(pathOf(path('tile/0/000.p/5')), 'x');
    expect(await verify()).toMatchObject({ exitCode: 2, codes: ['object-unlogged'] });
  });

  test('the tiles of each earlier size are files of the log', async () => {
    archive.add(someLines(1, 14), { hour: 14 });
    await archive.publish();
    expect(await verify()).toMatchObject({ exitCode: 0, codes: [] });
  });
});

test('a store whose listing goes round in circles leaves no verdict', async () => {
  let pages = 0;
  const server = createServer((_, response) => {
    pages += 1;
    response.end(
      `<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>${pages % 3}</NextContinuationToken></ListBucketResult>`,
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const source: ArchiveSource = {
    ...{ kind: 's3', bucket: 'bucket', prefix: '', region: 'us-east-1', sessionToken: null },
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ accessKeyId: 'any', secretAccessKey: 'any' },
  };
  await expect(verify({ source })).rejects.toThrow('The store says that its listing goes on, and not where.');
  expect(pages).toBe(4);
  server.close();
});

describe('lines that readers of JSON would read in two ways', () => {
  const change = (change: (line: string) => string) => async () => {
    const [first = '', second = ''] = someLines(2, 16);
    archive.add([first, change(second)], { hour: 16 });
    await archive.publish();
    return verify();
  };
  const idOf = (line: string) => JSON.parse(line).id as string;

  test.each([
    ['a second id', (line: string) => line.replace('}', ',"id":"0197d0d4-0000-7000-8000-000000000000"}')],
    ['a second time', (line: string) => line.replace('}', ',"updated_at":"2026-07-03T16:00:59Z"}')],
    ['an id in capitals', (line: string) => line.replace(idOf(line), '0197D0D4-0000-7000-8000-00000000000A')],
    ['an id with an escape', (line: string) => line.replace('"id":"', '"id":"\\u0030').replace(/(0030.{35})./, '$1')],
    ['blanks', (line: string) => line.replace('{"id"', '{ "id"')],
    ['another order', (line: string) => line.replace(/"id":("[^"]+"),(.*)}/, '$2,"id":$1}')],
  ])('%s: the line is named', async (_what, spoil) => {
    const run = await change(spoil)();
    expect([run.exitCode, run.codes]).toEqual([3, expect.arrayContaining(['line-malformed'])]);
  });

  test('an event that comes again in another form is found, as a line without the form of an event', async () => {
    const [line = ''] = someLines(1, 16);
    archive.add([line], { hour: 16 });
    archive.add([line.replace('{"id"', '{ "id"')], { hour: 16 });
    await archive.publish();
    expect((await verify()).exitCode).toBe(3);
  });

  test('bytes that are not UTF-8 are named', async () => {
    const lines = someLines(3, 16);
    lines[1] = lines[1]?.replace('ana', '\u00ff') ?? '';
    const toBytes = (object: Buffer) => Buffer.from(gunzipSync(object).toString(), 'latin1');
    const ndjson = Buffer.from(lines.map((line) => `${line}\n`).join(''), 'latin1');
    const tree = createLineTree();
    tree.add(ndjson);
    archive.add(lines, {
      hour: 16,
      store: (object) => gzipSync(toBytes(object)),
      lie: { sha256: hash('sha256', ndjson), lines: tree.root(), bytes: ndjson.length },
    });
    await archive.publish();
    expect(await verify({ level: 'content' })).toMatchObject({ exitCode: 0 });
    expect((await verify()).codes).toEqual(['line-malformed']);
  });

  test('an object whose key names no day is misfiled', async () => {
    await addAs('extra/160000_000000000009_0123456789ab.ndjson.gz');
    expect(await verify()).toMatchObject({ exitCode: 3, codes: ['misfiled'] });
  });
});

/** Exports a batch under another key. */
async function addAs(key: string): Promise<void> {
  const made = archive.add(someLines(2, 16), { hour: 16, lie: { key } });
  mkdirSync(dirname(pathOf(key)), { recursive: true });
  renameSync(pathOf(made), pathOf(key));
  await archive.publish();
}

test('an event that comes twice is named, also when another object is changed', async () => {
  const [twice = ''] = someLines(1, 16);
  archive.add([twice], { hour: 16 });
  archive.add([...someLines(2, 16), twice].sort(), { hour: 16 });
  await archive.publish();
  writeFileSync(pathOf(aKey()), 'not gzip');
  const run = await verify();
  expect([run.exitCode, run.codes]).toEqual([3, expect.arrayContaining(['object-changed', 'event-twice'])]);
});

test('what could not be read is no word of a next run', async () => {
  const state = join(mkdtempSync(join(tmpdir(), 'state-')), 'state.json');
  archive.add(someLines(2, 16), { hour: 16, lie: { objectBytes: 2 * 1024 ** 3 } });
  await archive.publish();
  truncateSync(pathOf(archive.entries.at(-1)?.key ?? ''), 2 * 1024 ** 3);
  for (let run = 1; run <= 2; run += 1)
    expect(await verify({ state, level: 'content' })).toMatchObject({ exitCode: 2 });
});

test('a run with a state says that it did not compare events with those of an earlier run', async () => {
  const state = join(mkdtempSync(join(tmpdir(), 'state-')), 'state.json');
  const args = ['--level', 'events', '--state', state];
  expect(verifyByCommand(...args).stdout).not.toContain('use --full');
  const [again = ''] = someLines(1, 16);
  archive.add([again], { hour: 16 });
  await archive.publish();
  const { status, stdout } = verifyByCommand(...args);
  expect([status, stdout]).toEqual([
    0,
    expect.stringMatching(/Not proven: that no event is in one of them .* use --full/),
  ]);
  expect(stdout).toContain('Not proven: that no newer version or delete marker hides an object');
});

test('a state file that is a folder, or holds something else, is explained', () => {
  const folder = mkdtempSync(join(tmpdir(), 'state-'));
  writeFileSync(join(folder, 'other'), '{"version":1}');
  for (const [file, sentence] of [
    [folder, 'cannot be read'],
    [join(folder, 'other'), 'is not a state file'],
    [join(folder, 'no', 'folder'), 'cannot be written'],
  ] as const) {
    const { status, stderr } = verifyByCommand('--state', file);
    expect([status, stderr]).toEqual([1, expect.stringContaining(sentence)]);
    expect(stderr).not.toContain('    at ');
  }
});

describe('a store', () => {
  /** Answers for paths that begin with `part` by `how`; the others are sent whole. */
  const spoiling =
    (part: string, how: (response: ServerResponse, body: Buffer) => void) =>
    (response: ServerResponse, path: string, body: Buffer) =>
      path.startsWith(part) ? how(response, body) : response.end(body);

  test('that cuts files of the log now and then is asked again', async () => {
    let cuts = 0;
    const store = await serveArchive(archive, {
      answer: spoiling('_log/', (response, body) => {
        cuts += 1;
        if (cuts % 2 === 0) return void response.end(body);
        response.writeHead(200, { 'content-length': body.length }).write(body.subarray(0, 9), () => response.destroy());
      }),
    });
    expect(await verify({ source: store.source })).toMatchObject({ exitCode: 0 });
    expect(cuts).toBeGreaterThan(2);
    store.close();
  });

  test.each([
    ['without an end', '<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>dt=', 'not whole'],
    ['with nothing', '', 'not whole'],
    ['of a login page', '<html>log in</html>', 'not whole'],
    ['that goes on nowhere', '<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>', 'not where'],
    [
      'that goes on where it began',
      '<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>a</NextContinuationToken></ListBucketResult>',
      'not where',
    ],
  ])('with a listing %s leaves no verdict', async (_what, listing, sentence) => {
    const store = await serveArchive(archive, { listing });
    await expect(verify({ source: store.source })).rejects.toThrow(sentence);
    store.close();
  });

  test('that writes a key with entities of its choice holds', async () => {
    await addAs("tenant=o'brien&sons/dt=2026-07-03/hour=16/160000_000000000009_0123456789ab.ndjson.gz");
    for (const [quote, ampersand] of [
      ['&#39;', '&#38;'],
      ['&#x27;', '&#x26;'],
      ['&apos;', '&amp;'],
    ] as const) {
      const encodeKey = (key: string) => key.replaceAll('&', ampersand).replaceAll("'", quote);
      const store = await serveArchive(archive, { later: [], encodeKey });
      expect(await verify({ source: store.source })).toMatchObject({ exitCode: 0, codes: [] });
      store.close();
    }
  });

  test('with a broken object, whose credentials end before the last one: what is broken counts', async () => {
    const store = await serveArchive(archive, {
      answer: (response, path, body) => {
        if (path === keys[0]) response.end(Buffer.alloc(body.length));
        else if (path === keys[2]) response.writeHead(400).end('<Code>ExpiredToken</Code>');
        else response.end(body);
      },
    });
    const file = fileURLToPath(new URL('../src/main.ts', import.meta.url));
    const child = spawn(process.execPath, [file, '--s3', 'bucket', '--prefix', '', '--key', archive.key], {
      env: { ...process.env, AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', S3_ENDPOINT: store.source.endpoint },
    });
    const [stdout, stderr, status] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise((ended) => child.on('close', ended)),
    ]);
    expect(stdout).toMatch(/^object-changed\t/m);
    expect(stdout).toContain('BROKEN: see the lines above. A part of the archive could not be read.');
    expect(stderr).toContain('ExpiredToken');
    expect(status).toBe(3);
    store.close();
  });
});

describe('an evidence pack', () => {
  let pack: string;
  beforeEach(async () => {
    const lines = someLines(3, 16);
    archive.add(lines, { hour: 16 });
    await archive.publish();
    pack = mkdtempSync(join(tmpdir(), 'pack-'));
    for (const folder of ['events', 'proofs']) mkdirSync(join(pack, folder));
    const texts = archive.entries.map(formatBatchEntry);
    const prove = (leaves: readonly string[], at: number) =>
      proveInclusion(at, leaves.length, findIn(leaves.map((leaf) => leafHash(Buffer.from(leaf)))));
    for (const [line, event] of lines.entries()) {
      writeFileSync(join(pack, 'events', `${line}.json`), event);
      const proof = formatEventProof({
        ...{ entry: texts.at(-1) ?? '', line, linePath: prove(lines, line) },
        ...{ index: texts.length - 1, path: prove(texts, texts.length - 1) },
        checkpoint: readFileSync(pathOf(checkpointPath(texts.length)), 'utf8'),
      });
      writeFileSync(join(pack, 'proofs', `${line}.tlog-proof`), proof);
    }
  });
  const check = () => program(['--pack', pack, '--key', archive.key]);

  test('holds, also with the files of a desktop, and says what it does not prove', () => {
    writeFileSync(join(pack, 'events', '.DS_Store'), 'x');
    const { status, stdout } = check();
    expect([status, stdout]).toEqual([0, expect.stringContaining('HOLDS: all 3 events')]);
    expect(stdout).toContain('Not proven: that the pack has all events');
  });

  test.each([
    [
      'an event that is there twice',
      'It is the same event as 0.json.',
      () => {
        copyFileSync(join(pack, 'events', '0.json'), join(pack, 'events', '9.json'));
        copyFileSync(join(pack, 'proofs', '0.tlog-proof'), join(pack, 'proofs', '9.tlog-proof'));
      },
    ],
    ['an event that was taken out', 'It is a proof without its event.', () => rmSync(join(pack, 'events', '1.json'))],
    ['a file that is no event', 'It is not an event in JSON.', () => writeFileSync(join(pack, 'events', 'a.txt'), 'x')],
    ['a folder instead of an event', 'It is not an event in JSON.', () => mkdirSync(join(pack, 'events', 'a.json'))],
    ['a changed event', 'is not line', () => appendFileSync(join(pack, 'events', '1.json'), ' ')],
    ['a missing proof', 'It has no proof.', () => rmSync(join(pack, 'proofs', '1.tlog-proof'))],
  ])('with %s is broken', (_what, reason, spoil) => {
    spoil();
    const { status, stdout } = check();
    expect([status, stdout]).toEqual([3, expect.stringContaining(reason)]);
  });
});
