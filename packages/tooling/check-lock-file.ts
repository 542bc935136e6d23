import { readFile } from 'node:fs/promises';

/*
 * Fails when an entry of a lock file has no `integrity`. npm installs such a package without comparing its content
 * to anything. npm itself leaves the hash out at times, for example when it moves a package to another folder. Fails too
 * when `npm ci --omit=dev` would install what only tests use, or `npm ci` what has a separate lock file: the
 * alternatives that the benchmark measures, and Azurite.
 */

/** Of these workspaces every package from outside is a devDependency. */
const toolWorkspaces = ['packages/bench', 'packages/faults', 'packages/testing', 'packages/observability'];

interface LockEntry {
  readonly integrity?: string;
  /** A workspace's place in node_modules. */
  readonly link?: true;
  /** Part of the package around it, which has the hash. */
  readonly inBundle?: true;
  /** Of a workspace. */
  readonly dependencies?: Readonly<Record<string, string>>;
}

async function readLock(path: string): Promise<Record<string, LockEntry>> {
  const file = new URL(`../../${path}`, import.meta.url);
  return (JSON.parse(await readFile(file, 'utf8')) as { packages: Record<string, LockEntry> }).packages;
}

/** What is installed to run the benchmark, and to test an example with Azurite. */
const separateLocks = [
  'packages/bench/src/peers/package-lock.json',
  'packages/testing/src/servers/azurite/package-lock.json',
];

/** The second one is installed to build the documentation. */
for (const file of ['package-lock.json', 'docs/package-lock.json', ...separateLocks]) {
  const withoutHash = Object.entries(await readLock(file))
    .filter(([path]) => path.includes('node_modules/'))
    .filter(([, { integrity, link, inBundle }]) => !(integrity || link || inBundle))
    .map(([path]) => path);
  if (withoutHash.length > 0) {
    process.stderr.write(
      `${file} has no integrity for ${withoutHash.join(', ')}. Delete these entries and run \`npm install --package-lock-only\`.\n`,
    );
    process.exitCode = 1;
  }
}

const packages = await readLock('package-lock.json');
const installedForUse = toolWorkspaces.flatMap((path) =>
  Object.keys(packages[path]?.dependencies ?? {})
    .filter((name) => !name.startsWith('@auditbox/'))
    .map((name) => `${name} of ${path}`),
);

if (installedForUse.length > 0) {
  process.stderr.write(
    `Make these devDependencies, so that users do not install them: ${installedForUse.join(', ')}.\n`,
  );
  process.exitCode = 1;
}

for (const file of separateLocks) {
  const separate = Object.entries((await readLock(file))['']?.dependencies ?? {});
  const installedByAll = separate.map(([name]) => name).filter((name) => `node_modules/${name}` in packages);
  const unpinned = separate.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version)).map(([name]) => name);
  if (installedByAll.length === 0 && unpinned.length === 0) continue;
  process.stderr.write(
    `Only the package.json next to ${file} may name these packages, each in one exact version: ${[...installedByAll, ...unpinned].join(', ')}.\n`,
  );
  process.exitCode = 1;
}
