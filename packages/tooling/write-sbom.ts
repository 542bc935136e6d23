import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { promisify } from 'node:util';

/*
 * `npm run sbom`: lists the parts of each image as CycloneDX, in the folder sbom. `npm sbom` of one workspace leaves out what another
 * workspace needs for development, so the parts are chosen from the list of all parts, by the tree that `npm ls` finds.
 */

/** What each image is made of. The page is built into the api's. */
const images = { api: ['api', 'cli', 'dashboard'], exporter: ['exporter', 'cli'] };

interface Tree {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, Tree>>;
}

interface Bom {
  readonly components: readonly { readonly 'bom-ref': string }[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn?: readonly string[] }[];
}

const root = resolve(import.meta.dirname, '../..');
const folder = resolve(root, 'sbom');
await mkdir(folder, { recursive: true });
const all: Bom = JSON.parse(await npm('sbom', '--sbom-format', 'cyclonedx'));
for (const [app, workspaces] of Object.entries(images)) {
  const names = workspaces.flatMap((name) => ['--workspace', `@auditbox/${name}`]);
  const parts = new Set(namesIn(JSON.parse(await npm('ls', '--all', '--json', '--omit', 'dev', ...names))));
  const components = all.components.filter((component) => parts.has(component['bom-ref']));
  const dependencies = all.dependencies
    .filter(({ ref }) => parts.has(ref))
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((part) => parts.has(part)) }));
  const path = resolve(folder, `auditbox-${app}.cdx.json`);
  await writeFile(path, `${JSON.stringify({ ...all, components, dependencies }, null, 2)}\n`);
  const unlisted = [...parts].filter((part) => !components.some((component) => component['bom-ref'] === part));
  if (unlisted.length > 0) throw new Error(`npm sbom does not list ${unlisted.join(', ')}.`);
  process.stdout.write(`${path}: ${components.length} components\n`);
}

async function npm(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('npm', args, { cwd: root, maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

/** `name@version` of everything in a tree. */
function namesIn({ dependencies = {} }: Tree): string[] {
  return Object.entries(dependencies).flatMap(([name, tree]) => [
    // An optional part for another system is in the tree without a version.
    ...(tree.version === undefined ? [] : [`${name}@${tree.version}`]),
    ...namesIn(tree),
  ]);
}
