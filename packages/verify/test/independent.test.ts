import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseVerifierKey, type VerifierKey } from '../../evidence/src/signed-note.ts';
import { listNewTiles, tilePath } from '../../evidence/src/tiles.ts';
import { openArchive } from '../src/archive/open-archive.ts';
import { writeTlog } from '../src/write-tlog.ts';
import { makeArchive, someLines, type TestArchive } from './make-archive.ts';

/*
 * The log, checked by programs that share no code with it: the packages of Go's module tools, as Debian has them, and Tessera's
 * fsck, where TEST_TESSERA_FSCK is the path of a program that was built from independent/tessera.go.
 */

const source = fileURLToPath(new URL('./independent/main.go', import.meta.url));
const goPath = '/usr/share/gocode';
const hasGo = spawnSync('go', ['version']).status === 0 && existsSync(`${goPath}/src/golang.org/x/mod/sumdb/tlog`);
if (!hasGo) console.warn('Go and golang.org/x/mod are not installed, so nothing but our code checks the log here.');

const tessera = process.env.TEST_TESSERA_FSCK;
if (tessera === undefined) console.warn("TEST_TESSERA_FSCK is not set, so Tessera's fsck does not check the log here.");

const folder = mkdtempSync(join(tmpdir(), 'independent-'));
const packages = join(folder, 'check');

const lines = someLines(1);

/** Lets a log grow to this size. Returns the folder that others read. */
async function growLog(archive: TestArchive, size: number): Promise<string> {
  while (archive.entries.length < size) archive.add(lines, { stored: false });
  await archive.publish();
  const log = mkdtempSync(join(folder, 'log-'));
  const key = parseVerifierKey(archive.key) as VerifierKey;
  expect(await writeTlog(openArchive({ kind: 'folder', folder: archive.folder }), key, log)).toBe(size);
  return log;
}

function check(program: string, log: string, key: string) {
  const { status, stdout, stderr } = spawnSync(program, [log, key], { encoding: 'utf8' });
  return { status, stdout: stdout.trim(), stderr };
}

beforeAll(() => {
  if (!hasGo) return;
  const env = { PATH: process.env.PATH, HOME: folder, GOPATH: goPath, GO111MODULE: 'off', GOFLAGS: '' };
  const { status, stderr } = spawnSync('go', ['build', '-o', packages, source], { env, encoding: 'utf8' });
  expect(status, stderr).toBe(0);
});

describe.each([
  ["Go's packages", packages, hasGo],
  ["Tessera's fsck", tessera ?? '', tessera !== undefined],
])('%s', (_name, program, isThere) => {
  test.runIf(isThere)('accept each entry of a log that grows over the sizes at which its tiles change', async () => {
    const archive = makeArchive();
    for (const size of [1, 2, 255, 256, 257, 65_535, 65_536, 65_537])
      expect(check(program, await growLog(archive, size), archive.key)).toMatchObject({
        status: 0,
        stdout: String(size),
      });
  });

  test.runIf(isThere)('refuse a changed byte in any file, and another key', async () => {
    const archive = makeArchive();
    const log = await growLog(archive, 300);
    const files = ['checkpoint', ...listNewTiles(0, 300).map(tilePath)];
    expect(files).toHaveLength(6);
    for (const file of files) {
      const before = readFileSync(join(log, file));
      const changed = Buffer.from(before);
      const at = Math.floor(before.length / 2);
      changed[at] = (changed[at] ?? 0) ^ 1;
      writeFileSync(join(log, file), changed);
      expect(check(program, log, archive.key), file).toMatchObject({ status: 1 });
      writeFileSync(join(log, file), before);
    }
    expect(check(program, log, archive.key).status).toBe(0);
    expect(check(program, log, makeArchive().key).status).toBe(1);
  });
});
