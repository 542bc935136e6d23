import { spawn, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, closeSync, mkdirSync, mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, test } from 'vitest';
import { checkpointPath } from '../../evidence/src/log-files.ts';
import { formatVerifierKey, verifierKeyOf } from '../../evidence/src/signed-note.ts';
import { makeArchive, someLines, type TestArchive } from './make-archive.ts';
import { withoutProgress } from './without-progress.ts';

/*
 * Every way through the command ends in 0, 1, 2 or 3 as docs/evidence.md has them, and with a sentence: never with a stack, and never
 * with 0 when nothing was verified.
 */

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));

let archive: TestArchive;
let keys: string[];

beforeEach(async () => {
  archive = makeArchive();
  keys = [11, 12].map((hour) => archive.add(someLines(20, hour), { hour }));
  await archive.publish();
});

const pathOf = (file: string) => join(archive.folder, file);
const aFolder = () => mkdtempSync(join(tmpdir(), 'exit-codes-'));
const whole = () => ['--from-folder', archive.folder, '--key', archive.key];

function program(args: readonly string[], env: Record<string, string> = {}) {
  const { AWS_ACCESS_KEY_ID: _, AWS_SECRET_ACCESS_KEY: __, ...others } = process.env;
  return spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
    timeout: 300_000,
    env: { ...others, ...env },
  });
}

const credentials = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' };

describe('exit code 1: it could not be checked', () => {
  test.each<[string, () => string[], RegExp, Record<string, string>?]>([
    ['a folder that is not there', () => ['--from-folder', '/nowhere', '--key', archive.key], /^$/],
    ['a file in place of a folder', () => ['--from-folder', pathOf(keys[0] ?? ''), '--key', archive.key], /^$/],
    ['an empty folder', () => ['--from-folder', aFolder(), '--key', archive.key], /^$/],
    ['no key', () => ['--from-folder', archive.folder], /--key is missing/],
    ['a key file that is not there', () => ['--from-folder', archive.folder, '--key', '/nowhere'], /cannot be read/],
    ['a folder and a bucket', () => [...whole(), '--s3', 'b'], /Give --from-folder or --s3/],
    ['a bucket without credentials', () => ['--s3', 'b', '--key', archive.key], /are not set/],
    [
      'a store with an invalid address',
      () => ['--s3', 'b', '--key', archive.key],
      /S3_ENDPOINT is nowhere/,
      { ...credentials, S3_ENDPOINT: 'nowhere' },
    ],
    [
      'a store that cannot be reached',
      () => ['--s3', 'b', '--key', archive.key],
      /cannot be reached/,
      { ...credentials, S3_ENDPOINT: 'http://127.0.0.1:1' },
    ],
    ['a policy that is not there', () => [...whole(), '--policy', '/nowhere'], /cannot be read/],
    ['receipts without a key', () => [...whole(), '--receipts', '/nowhere'], /needs --receipt-key/],
    [
      'receipts that are not there',
      () => [...whole(), '--receipts', '/nowhere', '--receipt-key', archive.key],
      /receipts in \/nowhere cannot be read/,
    ],
    ['a state that cannot be written', () => [...whole(), '--state', '/nowhere/state'], /cannot be written/],
    ['an event without a proof', () => ['--event', '/nowhere', '--key', archive.key], /are given together/],
    [
      'an event that is not there',
      () => ['--event', '/nowhere', '--proof', '/nowhere', '--key', archive.key],
      /\/nowhere cannot be read/,
    ],
    ['a pack that is not there', () => ['--pack', '/nowhere', '--key', archive.key], /has no events/],
    ['a log that cannot be written', () => [...whole(), '--tlog', '/dev/null/log'], /cannot be written/],
    ['a public key that is not one', () => ['--public-key', main, '--name', 'x'], /is not an Ed25519 public key/],
    ['another option', () => [...whole(), '--no-such'], /--no-such/],
    ['an argument too many', () => [...whole(), 'more'], /more/],
  ])('%s', (_what, args, says, env) => {
    const { status, stdout, stderr } = program(args(), env);
    expect([status, stderr.trim()]).toEqual([1, expect.stringMatching(says)]);
    if (stderr === '') expect(stdout).toContain('nothing could be verified');
    expect(stderr).not.toContain('    at ');
  });

  test('findings that cannot be stored', () => {
    const full = openSync('/dev/full', 'w');
    const { status, stderr } = spawnSync(process.execPath, [main, ...whole()], {
      encoding: 'utf8',
      stdio: ['ignore', full, 'pipe'],
    });
    closeSync(full);
    expect([status, stderr]).toEqual([1, expect.stringContaining('The findings cannot be written')]);
    expect(stderr).not.toContain('    at ');
  });

  test('findings that nobody reads to their end', async () => {
    for (let n = 0; n < 2_000; n += 1) archive.write(`dt=2026-07-03/${'x'.repeat(100)}${n}`, 'x');
    const child = spawn(process.execPath, [main, ...whole()]);
    child.stdout.once('data', () => child.stdout.destroy());
    const [stderr, status] = await Promise.all([text(child.stderr), new Promise((ended) => child.on('close', ended))]);
    expect([status, withoutProgress(stderr)]).toEqual([1, '']);
  });
});

describe('exit codes 0, 2 and 3: it holds, it holds in part, it is broken', () => {
  test.each<[string, () => void, number, RegExp]>([
    ['a whole archive', () => {}, 0, /^HOLDS: /m],
    ['an object that cannot be read', () => unread(keys[0] ?? ''), 2, /^HOLDS IN PART: /m],
    ['a tile that cannot be read', () => unread('_log/tile/0/000.p/2'), 2, /^HOLDS IN PART: /m],
    ['an object that is missing', () => rmSync(pathOf(keys[0] ?? '')), 3, /^BROKEN: /m],
    ['a checkpoint of another log', () => archive.write(checkpointPath(9), 'x'), 3, /^BROKEN: /m],
  ])('%s', (_what, spoil, exitCode, says) => {
    spoil();
    for (const level of ['log', 'head', 'content', 'events']) {
      // Below some levels nobody looks.
      const { status, stdout, stderr } = program([...whole(), '--level', level]);
      const isSeen = says.test(stdout) && status === exitCode;
      expect([level, status, withoutProgress(stderr)]).toEqual([level, isSeen ? exitCode : 0, '']);
      expect(stdout.replaceAll('\n', ' ')).toContain(
        'Not proven: anything that happened after the newest checkpoint; that an event was ever handed in; that an event was sealed as it was handed in.',
      );
      if (level === 'events') expect([status, stdout]).toEqual([exitCode, expect.stringMatching(says)]);
      const { stdout: json, status: code } = program([...whole(), '--level', level, '--json']);
      expect([JSON.parse(json).exitCode, code]).toEqual([status, status]);
    }
  });

  test('what makes a key or a copy of the log prints one JSON object', () => {
    const file = join(aFolder(), 'public.pem');
    const { publicKey } = generateKeyPairSync('ed25519');
    writeFileSync(file, publicKey.export({ type: 'spki', format: 'pem' }));
    const made = program(['--public-key', file, '--name', 'log.example', '--json']);
    expect([made.status, JSON.parse(made.stdout)]).toEqual([
      0,
      { key: formatVerifierKey(verifierKeyOf('log.example', publicKey)) },
    ]);
    const folder = join(aFolder(), 'tlog');
    const copied = program([...whole(), '--tlog', folder, '--json']);
    expect([copied.status, JSON.parse(copied.stdout)]).toEqual([0, { batches: 2, folder }]);
  });

  test('help', () => {
    expect(program(['--help'])).toMatchObject({ status: 0, stdout: expect.stringContaining('Exit codes:') });
  });

  test('an evidence pack of which a file cannot be read is not called broken', () => {
    const pack = aFolder();
    for (const folder of ['events', 'proofs']) mkdirSync(join(pack, folder));
    symlinkSync('/proc/self/mem', join(pack, 'events', '1.json'));
    const run = () => program(['--pack', pack, '--key', archive.key]);
    const { status, stdout } = run();
    expect([status, stdout]).toEqual([2, expect.stringMatching(/^NOT CHECKED\t1\.json\tIt cannot be read: EIO/)]);
    const { stdout: json } = program(['--pack', pack, '--key', archive.key, '--json']);
    expect(JSON.parse(json)).toMatchObject({ broken: [], unread: [{ name: '1.json' }] });
    writeFileSync(join(pack, 'events', '2.json'), '{}');
    expect(run()).toMatchObject({ status: 3, stdout: expect.stringMatching(/^BROKEN\t2\.json\tIt has no proof/m) });
    chmodSync(pack, 0o755);
  });
});

function unread(path: string): void {
  rmSync(pathOf(path));
  symlinkSync('loop', pathOf(path));
  symlinkSync(path.slice(path.lastIndexOf('/') + 1), pathOf(`${path.slice(0, path.lastIndexOf('/'))}/loop`));
}
