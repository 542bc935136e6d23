import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { makeManifest, type SourceManifest } from './package-manifest.ts';

/*
 * `npm run build:packages`: makes the packages for npm in `dist/`, each with its JavaScript, types, README and
 * licence. The folder is what `npm publish` gets: inside of the repository a package is used as TypeScript source.
 *
 * PACKAGE_REPOSITORY_URL is the address of the repository. Without it the packages are private: they install, and npm refuses to
 * publish them.
 */

const root = resolve(import.meta.dirname, '../..');
const packages = [
  // `./node` needs files and sockets, so a program for a browser does not import it.
  { folder: 'client', entries: ['index', 'node'] },
  { folder: 'writer', entries: ['index'] },
  { folder: 'destination-kit', entries: ['index'] },
] as const;

const repositoryUrl = process.env.PACKAGE_REPOSITORY_URL;
for (const { folder, entries } of packages) build(join(root, 'packages', folder), join(root, 'dist', folder), entries);
if (!repositoryUrl)
  process.stdout.write(
    'PACKAGE_REPOSITORY_URL is not set, so the packages are private: they can be packed and installed, and not be published.\n',
  );

function build(folder: string, target: string, entries: readonly string[]): void {
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  compile(folder, target, entries);
  cpSync(join(folder, 'README.md'), join(target, 'README.md'));
  cpSync(join(root, 'LICENSE'), join(target, 'LICENSE'));
  const source = readJson<SourceManifest>(join(folder, 'package.json'));
  const manifest = makeManifest(source, { entries, directory: relative(root, folder), repositoryUrl });
  writeFileSync(join(target, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

function compile(folder: string, target: string, entries: readonly string[]): void {
  const settings = {
    extends: join(root, 'packages/tooling/tsconfig.package.json'),
    compilerOptions: { rootDir: join(folder, 'src'), outDir: target },
    files: entries.map((entry) => join(folder, 'src', `${entry}.ts`)),
  };
  const file = join(target, 'tsconfig.json');
  writeFileSync(file, JSON.stringify(settings));
  execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', file], { stdio: 'inherit' });
  rmSync(file);
}

function readJson<T>(file: string): T {
  return JSON.parse(readFileSync(file, 'utf8')) as T;
}
