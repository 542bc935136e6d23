import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { promisify } from 'node:util';

/* `npm run sbom`: lists the parts of each image as CycloneDX, in the folder sbom. */

const root = resolve(import.meta.dirname, '../..');
const folder = resolve(root, 'sbom');
await mkdir(folder, { recursive: true });
/** What each image is made of. The page is built into the api's. */
const images = { api: ['api', 'cli', 'dashboard'], exporter: ['exporter', 'cli'] };

for (const [app, workspaces] of Object.entries(images)) {
  const names = workspaces.flatMap((name) => ['--workspace', `@auditbox/${name}`]);
  const options = ['--sbom-format', 'cyclonedx', '--omit', 'dev', ...names];
  const { stdout } = await promisify(execFile)('npm', ['sbom', ...options], { cwd: root, maxBuffer: 64 * 1024 * 1024 });
  const { components } = JSON.parse(stdout) as { components: readonly object[] };
  const path = resolve(folder, `auditbox-${app}.cdx.json`);
  await writeFile(path, stdout);
  process.stdout.write(`${path}: ${components.length} components\n`);
}
