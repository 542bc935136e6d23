import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { makeArchive, someLines } from './make-archive.ts';

/* An auditor may take the command to a machine that has Node alone. */

const packages = fileURLToPath(new URL('../../', import.meta.url));

test('the command needs its own folder and that of the formats: no module is installed, and no setting is read', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'verify-alone-'));
  const archive = makeArchive();
  try {
    for (const name of ['verify', 'evidence'])
      for (const part of ['src', 'package.json'])
        cpSync(join(packages, name, part), join(folder, 'packages', name, part), { recursive: true });
    archive.add(someLines(3));
    await archive.publish();
    const args = ['packages/verify/src/main.ts', '--from-folder', archive.folder, '--key', archive.key];
    const run = promisify(execFile)(process.execPath, [...args, '--level', 'events'], { cwd: folder, env: {} });
    expect((await run).stdout).toContain('HOLDS: nothing is missing, altered or added.');
  } finally {
    rmSync(folder, { recursive: true });
    rmSync(archive.folder, { recursive: true });
  }
});
