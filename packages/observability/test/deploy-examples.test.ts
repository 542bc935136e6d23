import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';

/* The examples in examples/kubernetes and examples/systemd are what a cluster and systemd accept, and name settings that exist. */

const pathOf = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const read = (path: string) => readFileSync(pathOf(path), 'utf8');

const settings = new Set([...read('docs/settings.md').matchAll(/^\| `([A-Z0-9_]+)` \|/gm)].map(([, name]) => name));
const fromElsewhere = new Set(['NODE_ENV', 'AWS_REGION']);

const schemas: Readonly<Record<string, () => Promise<object>>> = {
  v1: () => import('kubernetes-models/v1'),
  'apps/v1': () => import('kubernetes-models/apps/v1'),
  'batch/v1': () => import('kubernetes-models/batch/v1'),
  'policy/v1': () => import('kubernetes-models/policy/v1'),
};

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

interface Container {
  readonly env?: readonly { readonly name: string }[];
  readonly securityContext?: object;
  readonly resources?: { readonly limits?: { readonly memory?: string } };
}

/** All values under a key, at any depth. */
function valuesUnder(value: unknown, key: string): unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => [
    ...(name === key ? [member] : []),
    ...valuesUnder(member, key),
  ]);
}

describe('examples/kubernetes', () => {
  const manifests = parseAllDocuments(read('examples/kubernetes/auditbox.yaml')).map(
    (document) => document.toJS() as Manifest,
  );
  const containers = valuesUnder(manifests, 'containers').flat() as Container[];

  test.each(manifests.map((manifest) => [`${manifest.kind} ${manifest.metadata.name}`, manifest] as const))(
    '%s is valid by the schema of its kind',
    async (_name, manifest) => {
      const kinds = (await schemas[manifest.apiVersion]?.()) as Record<
        string,
        new (
          data: object,
        ) => { validate(): void }
      >;
      const Kind = kinds[manifest.kind] as (typeof kinds)[string];
      expect(() => new Kind(manifest).validate()).not.toThrow();
    },
  );

  test('containers have settings that exist, a limit of memory, and no right that they do not need', () => {
    expect(containers.length).toBeGreaterThan(3);
    const config = manifests.find(({ kind }) => kind === 'ConfigMap') as Manifest & { data: Record<string, string> };
    const named = [...containers.flatMap(({ env = [] }) => env.map(({ name }) => name)), ...Object.keys(config.data)];
    expect(named.filter((name) => !settings.has(name) && !fromElsewhere.has(name))).toEqual([]);
    for (const { securityContext, resources } of containers) {
      expect(securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(resources?.limits?.memory).toMatch(/^\d+Mi$/);
    }
  });
});

describe('examples/systemd', () => {
  const units = readdirSync(pathOf('examples/systemd')).filter((file) => /\.(service|timer)$/.test(file));

  function hasSystemd(): boolean {
    try {
      execFileSync('systemd-analyze', ['--version'], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  }

  test.skipIf(!hasSystemd())('systemd finds no fault in any unit', () => {
    // systemd also looks whether the program of a unit is there.
    const folder = mkdtempSync(join(tmpdir(), 'auditbox-units-'));
    for (const unit of units) {
      const text = read(`examples/systemd/${unit}`).replace(/^(ExecStart=)\S+/m, `$1${process.execPath}`);
      writeFileSync(join(folder, unit), text.replace(/^WorkingDirectory=.*$/m, `WorkingDirectory=${folder}`));
    }
    expect(units.length).toBeGreaterThan(3);
    const files = units.map((unit) => join(folder, unit));
    expect(execFileSync('systemd-analyze', ['verify', ...files], { encoding: 'utf8', stdio: 'pipe' })).toBe('');
  });
});
