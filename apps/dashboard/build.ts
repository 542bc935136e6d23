import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/*
 * `npm run build:page`: builds the page into `dist`, which the api serves. `npm start` and the tests run it. It takes
 * about a second, and nothing when no source has changed since. It is no script of `npm ci`, because installs without scripts
 * are common, and a checkout that is updated later would serve an old page.
 */

const here = import.meta.dirname;
const dist = join(here, 'dist');
const stamp = join(dist, 'built-from');
const run = promisify(execFile);

export async function buildPage(): Promise<void> {
  const sources = await hashSources();
  if ((await readFile(stamp, 'utf8').catch(() => '')) === sources) return;
  await mkdir(join(dist, 'assets'), { recursive: true });
  const folder = await mkdtemp(join(dist, 'next-'));
  try {
    // In a separate process, because React's form for development is built wherever NODE_ENV says so, as in tests.
    const vite = fileURLToPath(new URL('bin/vite.js', import.meta.resolve('vite/package.json')));
    await run(process.execPath, [vite, 'build', '--logLevel', 'warn', '--outDir', folder], {
      cwd: here,
      env: { ...process.env, NODE_ENV: 'production' },
    });
    await publish(folder);
    await writeFile(stamp, sources);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Files first and the document that names them last, because an api may start at any moment, and two tests may build at once. */
async function publish(folder: string): Promise<void> {
  const names = new Set(await readdir(join(folder, 'assets')));
  for (const name of names) await rename(join(folder, 'assets', name), join(dist, 'assets', name));
  await rename(join(folder, 'index.html'), join(dist, 'index.html'));
  for (const name of await readdir(join(dist, 'assets'))) {
    if (!names.has(name)) await rm(join(dist, 'assets', name), { force: true });
  }
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
    ...['index.html', 'vite.config.ts', 'package.json', 'tsconfig.json'].map((name) => join(here, name)),
    join(root, 'tsconfig.json'),
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
