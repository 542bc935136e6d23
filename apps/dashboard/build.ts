import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/*
 * `npm run build:page`: builds the page into `dist`, which the api serves. `npm start` and the tests run it first. It takes
 * about a second, and nothing when no source has changed since. It is no script of `npm ci`, because installs without scripts
 * are common, and a checkout that is updated later would serve an old page.
 */

const here = import.meta.dirname;
const run = promisify(execFile);
const stamp = join(here, 'dist/built-from');

export async function buildPage(): Promise<void> {
  const sources = await hashSources();
  if ((await readFile(stamp, 'utf8').catch(() => '')) === sources) return;
  // In a separate process, because React's form for development is built wherever NODE_ENV says so, as in tests.
  const vite = fileURLToPath(new URL('bin/vite.js', import.meta.resolve('vite/package.json')));
  await run(process.execPath, [vite, 'build', '--logLevel', 'warn'], {
    cwd: here,
    env: { ...process.env, NODE_ENV: 'production' },
  });
  await writeFile(stamp, sources);
}

/** One hash of everything that decides the built files. */
async function hashSources(): Promise<string> {
  const root = join(here, '../..');
  const folders = [join(here, 'src'), join(root, 'packages/core/src')];
  const lists = await Promise.all(folders.map((folder) => readdir(folder, { recursive: true, withFileTypes: true })));
  const files = [
    ...lists
      .flat()
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name)),
    ...['index.html', 'vite.config.ts', 'package.json'].map((name) => join(here, name)),
  ].sort();
  const hash = createHash('sha256');
  for (const file of files)
    hash
      .update(`${relative(root, file)}\0`)
      .update(await readFile(file))
      .update('\0');
  return hash.digest('hex');
}

if (import.meta.main) await buildPage();
