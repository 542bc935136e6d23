import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import pinned from './peers/package.json' with { type: 'json' };

const folder = new URL('peers/', import.meta.url);

/** Installs the alternatives that the benchmark measures, unless their versions are there. */
export function installPeers(): void {
  if (Object.entries(pinned.dependencies).every(([name, version]) => installedVersion(name) === version)) return;
  const names = Object.keys(pinned.dependencies).join(', ');
  process.stderr.write(
    `Installing ${names} into packages/bench/src/peers/node_modules; only the benchmark needs them.\n`,
  );
  const flags = ['--ignore-scripts', '--loglevel=error', '--no-audit', '--no-fund'];
  const { status } = spawnSync('npm', ['ci', '--prefix', fileURLToPath(folder), ...flags], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status === 0) return;
  process.stderr.write('The benchmark needs these packages, and npm could not install them.\n');
  process.exit(1);
}

/** Null when the package is not installed. */
function installedVersion(name: string): string | null {
  try {
    const text = readFileSync(new URL(`node_modules/${name}/package.json`, folder), 'utf8');
    return (JSON.parse(text) as { version: string }).version;
  } catch {
    return null;
  }
}
