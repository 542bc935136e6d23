import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, test } from 'vitest';
import { checkpointPath } from '../../evidence/src/log-files.ts';
import { parseVerifierKey, type VerifierKey } from '../../evidence/src/signed-note.ts';
import { runArchive } from '../src/run-archive.ts';
import { makeArchive, someLines, type TestArchive } from './make-archive.ts';
import { withoutProgress } from './without-progress.ts';

/* Folders of which a part cannot be read: the part is named as not checked, the others are checked, and nobody is accused. */

let archive: TestArchive;
let keys: string[];

beforeEach(async () => {
  archive = makeArchive();
  keys = [11, 12, 13].map((hour) => archive.add(someLines(20, hour), { hour }));
  await archive.publish();
});

const pathOf = (file: string) => join(archive.folder, file);
const aKey = () => keys[1] ?? '';
const [tile, entries] = ['_log/tile/0/000.p/3', '_log/tile/entries/000.p/3'];

async function verify({ state = null as string | null } = {}) {
  const key = parseVerifierKey(archive.key) as VerifierKey;
  const source = { kind: 'folder', folder: archive.folder } as const;
  const command = { source, key, level: 'events', stateFile: state, full: false, sample: 0 } as const;
  const { exitCode, findings, run } = await runArchive(command, { onFinding() {}, onProgress() {} });
  return { exitCode, findings: findings.map(({ code, what }) => [code, what]), run };
}

describe('on a disk with an error', () => {
  /** Reads of this file fail with EIO. */
  function damage(path: string): void {
    rmSync(pathOf(path));
    symlinkSync('/proc/self/mem', pathOf(path));
  }

  test('one object is not checked, and the next run with a state file reads it again', async () => {
    const state = join(mkdtempSync(join(tmpdir(), 'state-')), 'state.json');
    const body = readFileSync(pathOf(aKey()));
    damage(aKey());
    expect(await verify({ state })).toMatchObject({
      exitCode: 2,
      findings: [['unreadable', aKey()]],
      run: { readObjects: 2, unreadObjects: 1, trustedObjects: 0 },
    });
    rmSync(pathOf(aKey()));
    archive.write(aKey(), body);
    expect(await verify({ state })).toMatchObject({ exitCode: 0, run: { readObjects: 3 } });
  });

  test.each([tile, checkpointPath(2), '_log/keys/000007', '_log/stamps/000000000003.tsr'])(
    'the file %s is not checked, and the objects are',
    async (path) => {
      archive.write(path, 'x');
      damage(path);
      expect(await verify()).toMatchObject({
        exitCode: 2,
        findings: [['log-file-unreadable', path]],
        run: { readObjects: 3 },
      });
    },
  );

  test('the objects of entries that cannot be read are accused of nothing', async () => {
    damage(entries);
    const { exitCode, findings, run } = await verify();
    expect([exitCode, run.unreadEntries, run.readObjects]).toEqual([2, 3, 0]);
    expect(findings.map(([code]) => code)).toEqual(['log-file-unreadable', ...keys.map(() => 'object-unlogged')]);
  });

  test('without any checkpoint nothing can be checked', async () => {
    damage(checkpointPath(3));
    await expect(verify()).rejects.toThrow('No checkpoint of the log can be read.');
  });
});

test('a folder that is a link to another one is not checked, and its objects are not called missing', async () => {
  const elsewhere = mkdtempSync(join(tmpdir(), 'elsewhere-'));
  renameSync(pathOf('dt=2026-07-03/hour=12'), join(elsewhere, 'hour'));
  symlinkSync(join(elsewhere, 'hour'), pathOf('dt=2026-07-03/hour=12'));
  expect(await verify()).toMatchObject({
    exitCode: 2,
    findings: [['unreadable', 'dt=2026-07-03/hour=12']],
    run: { readObjects: 2, unreadObjects: 1, trustedObjects: 0 },
  });
});

test('a folder that was copied while its exporter went on is not broken: what is newer is named', async () => {
  const young = archive.add(someLines(5, 15), { hour: 15, log: false });
  const nextTile = '_log/tile/0/000.p/5';
  archive.write(nextTile, 'x');
  const now = new Date();
  for (const path of [young, nextTile]) utimesSync(pathOf(path), now, now);
  const { exitCode, findings } = await verify();
  expect([exitCode, findings.sort()]).toEqual([
    2,
    [
      ['object-unlogged', nextTile],
      ['object-unlogged', young],
    ],
  ]);
});

/** The command, as a user who has no rights of root. */
describe('what a user may not read', () => {
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
  const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

  function program(args: readonly string[]) {
    return spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', timeout: 300_000, ...nobody });
  }

  const verifyByCommand = (...more: string[]) =>
    program(['--from-folder', archive.folder, '--key', archive.key, ...more]);

  beforeEach(() => chmodSync(archive.folder, 0o755));

  test.each([
    ['an object', () => aKey(), 2, 'unreadable'],
    ['the folder of an object', () => 'dt=2026-07-03/hour=12', 2, 'unreadable'],
    ['a tile', () => tile, 2, 'log-file-unreadable'],
    ['the folder of the tiles', () => '_log/tile/0', 2, 'log-file-unreadable'],
    ['the entries', () => entries, 2, 'log-file-unreadable'],
  ])('%s: it is named, and the exit code is 2', (_what, path, exitCode, code) => {
    chmodSync(pathOf(path()), 0);
    const { status, stdout, stderr } = verifyByCommand();
    expect([status, withoutProgress(stderr)]).toEqual([exitCode, '']);
    expect(stdout).toMatch(new RegExp(`^${code}\\t[^\\t]+\\tNot checked\\. It cannot be read: EACCES`));
    expect(stdout).not.toContain('object-missing');
    expect(stdout).toContain('HOLDS IN PART');
  });

  test('next to an object that was changed: it is broken', () => {
    chmodSync(pathOf(aKey()), 0);
    archive.write(keys[2] ?? '', 'x');
    const { status, stdout } = verifyByCommand();
    expect(status).toBe(3);
    expect(stdout).toMatch(/^unreadable\t/m);
    expect(stdout).toMatch(/^object-changed\t/m);
  });

  test.each(['.', '_log', '_log/checkpoints', checkpointPath(3)])(
    '%s: nothing can be checked, and the exit code is 1',
    (path) => {
      chmodSync(pathOf(path), 0);
      const { status, stdout, stderr } = verifyByCommand();
      chmodSync(pathOf(path), 0o755);
      expect([status, stderr]).toEqual([1, expect.stringMatching(/cannot be read|can be read/)]);
      expect(stderr).not.toContain('    at ');
      expect(stdout).not.toContain('HOLDS');
    },
  );
});
