import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/*
 * `npm run build:packages`: makes the packages for npm in `dist/`, each with its JavaScript, types, README and
 * licence. The folder is what `npm publish` gets: inside of the repository a package is used as TypeScript source.
 */

const root = resolve(import.meta.dirname, '../..');
const packages = [
  // `./node` needs files and sockets, so a program for a browser does not import it.
  { folder: 'client', entries: ['index', 'node'] },
  { folder: 'writer', entries: ['index'] },
  { folder: 'destination-kit', entries: ['index'] },
] as const;

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly engines: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

const { repository } = readJson<{ repository?: unknown }>(join(root, 'package.json'));
for (const { folder, entries } of packages) build(join(root, 'packages', folder), join(root, 'dist', folder), entries);

function build(folder: string, target: string, entries: readonly string[]): void {
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  compile(folder, target, entries);
  cpSync(join(folder, 'README.md'), join(target, 'README.md'));
  cpSync(join(root, 'LICENSE'), join(target, 'LICENSE'));
  const {
    name,
    version,
    description,
    license,
    engines,
    dependencies = {},
  } = readJson<Manifest>(join(folder, 'package.json'));
  const manifest = {
    name,
    version,
    description,
    license,
    repository,
    type: 'module',
    sideEffects: false,
    engines,
    exports: {
      ...Object.fromEntries(
        entries.map((entry) => [
          entry === 'index' ? '.' : `./${entry}`,
          { types: `./${entry}.d.ts`, default: `./${entry}.js` },
        ]),
      ),
      './package.json': './package.json',
    },
    files: ['**/*.js', '**/*.d.ts'],
    publishConfig: { access: 'public', provenance: true },
    dependencies,
  };
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
