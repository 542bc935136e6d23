import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openRunFolder, thisHost } from '../src/cache/run-folder.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'auditbox-run-folder-'));
});
afterEach(() => rm(root, { recursive: true }));

const hour = 3_600_000;

test('folders of killed processes are removed, and those of other containers only when nobody touched them for a day', async () => {
  const { pid: dead } = spawnSync('true');
  const here = thisHost();
  const elsewhere = [...here].reverse().join('');
  const untouchedMs: Record<string, number> = {
    [`run-${here}-${dead}-killed`]: 0,
    [`run-${here}-${process.ppid}-alive`]: 48 * hour,
    // An earlier process of a container that always has the same name and id; or this process itself.
    [`run-${here}-${process.pid}-earlier`]: 25 * hour,
    [`run-${here}-${process.pid}-now`]: 0,
    // A process of another container may have any id, also one that nobody has here.
    [`run-${elsewhere}-${dead}-young`]: 23 * hour,
    [`run-${elsewhere}-${process.pid}-old`]: 25 * hour,
    [`run-${dead}-oldform`]: 25 * hour,
    [`run-${dead}-newform`]: 0,
  };
  for (const [name, ms] of Object.entries(untouchedMs)) {
    await mkdir(join(root, name));
    const then = new Date(Date.now() - ms);
    await utimes(join(root, name), then, then);
  }
  const own = await openRunFolder(root);
  expect((await readdir(root)).sort()).toEqual(
    [
      own.path.slice(root.length + 1),
      `run-${here}-${process.ppid}-alive`,
      `run-${here}-${process.pid}-now`,
      `run-${elsewhere}-${dead}-young`,
      `run-${dead}-newform`,
    ].sort(),
  );
  await own.close();
  expect(await readdir(root)).not.toContain(own.path.slice(root.length + 1));
});
