import { readFile } from 'node:fs/promises';

/*
 * Fails when an entry of package-lock.json has no `integrity`. npm installs such a package without comparing its content
 * to anything. npm itself leaves the hash out at times, for example when it moves a package to another folder.
 */

interface LockEntry {
  readonly integrity?: string;
  /** A workspace's place in node_modules. */
  readonly link?: true;
  /** Part of the package around it, which has the hash. */
  readonly inBundle?: true;
}

const file = new URL('../../package-lock.json', import.meta.url);
const { packages } = JSON.parse(await readFile(file, 'utf8')) as { packages: Record<string, LockEntry> };

const withoutHash = Object.entries(packages)
  .filter(([path]) => path.includes('node_modules/'))
  .filter(([, { integrity, link, inBundle }]) => !(integrity || link || inBundle))
  .map(([path]) => path);

if (withoutHash.length > 0) {
  process.stderr.write(
    `package-lock.json has no integrity for ${withoutHash.join(', ')}. Delete these entries and run \`npm install --package-lock-only\`.\n`,
  );
  process.exitCode = 1;
}
