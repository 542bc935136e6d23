import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { secretsInFiles } from '@auditbox/process/secret-files.ts';
import { describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';

/* The examples for Kubernetes, Helm, systemd and docker compose are what a cluster, systemd and compose accept, and name settings that exist. */

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

interface PodMetadata {
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** All values under a key, at any depth. */
function valuesUnder(value: unknown, key: string): unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => [
    ...(name === key ? [member] : []),
    ...valuesUnder(member, key),
  ]);
}

function parseManifests(text: string): readonly Manifest[] {
  return parseAllDocuments(text)
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);
}

async function validate(manifest: Manifest): Promise<void> {
  const kinds = (await schemas[manifest.apiVersion]?.()) as Record<string, new (data: object) => { validate(): void }>;
  const Kind = kinds[manifest.kind] as (typeof kinds)[string];
  expect(() => new Kind(manifest).validate(), `${manifest.kind} ${manifest.metadata.name}`).not.toThrow();
}

describe('examples/kubernetes', () => {
  const manifests = parseManifests(read('examples/kubernetes/auditbox.yaml'));
  const containers = valuesUnder(manifests, 'containers').flat() as Container[];

  test.each(manifests.map((manifest) => [`${manifest.kind} ${manifest.metadata.name}`, manifest] as const))(
    '%s is valid by the schema of its kind',
    (_name, manifest) => validate(manifest),
  );

  test('pods that are scraped are under the jobs that the alerts name', () => {
    const alerts = read('packages/observability/prometheus/alerts.yml');
    expect(jobsOf(manifests)).toEqual(['auditbox-api', 'auditbox-exporter']);
    for (const job of jobsOf(manifests)) expect(alerts).toContain(`job="${job}"`);
  });

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

/** The values of `job` that docs/monitor.md gives to pods, by the label that its rule reads. */
function jobsOf(manifests: readonly Manifest[]): unknown[] {
  const [, block = ''] = /```yaml\n(- source_labels:.*?)```/s.exec(read('docs/monitor.md')) ?? [];
  const [
    {
      source_labels: [source],
      regex,
      target_label: target,
    },
  ] = parse(block);
  expect(target).toBe('job');
  const isScraped = ({ annotations }: PodMetadata) => annotations?.['prometheus.io/scrape'] === 'true';
  return (valuesUnder(manifests, 'metadata') as PodMetadata[]).filter(isScraped).map(({ labels = {} }) => {
    const found = Object.entries(labels).find(
      ([name]) => `__meta_kubernetes_pod_label_${name.replaceAll(/\W/g, '_')}` === source,
    );
    return new RegExp(`^(?:${regex})$`).exec(found?.[1] ?? '')?.[1];
  });
}

/** Helm itself is not needed: the renderer uses the same package of Go for templates. */
const hasGo = spawnSync('go', ['version']).status === 0;

describe.skipIf(!hasGo)('examples/helm (needs Go)', () => {
  const chart = pathOf('examples/helm/auditbox');
  const defaults = parse(read('examples/helm/auditbox/values.yaml'));

  function render(values: object): readonly Manifest[] {
    const renderer = pathOf('packages/observability/test/render-chart/main.go');
    const { status, stdout, stderr } = spawnSync('go', ['run', renderer, chart, 'audit'], {
      encoding: 'utf8',
      input: JSON.stringify({ ...defaults, ...values }),
      env: { ...process.env, GO111MODULE: 'off' },
    });
    expect(status, stderr).toBe(0);
    return parseManifests(stdout);
  }

  test('the chart makes valid manifests, with its own values and with a setting, a role and retention', async () => {
    const plain = render({});
    expect(jobsOf(plain)).toEqual(['auditbox-api', 'auditbox-exporter']);
    expect(plain.map(({ kind }) => kind).sort()).toEqual([
      ...['Deployment', 'Deployment', 'Job', 'PodDisruptionBudget', 'Service', 'ServiceAccount'],
    ]);
    const full = render({
      api: { ...defaults.api, settings: { AUDIT_READS: 'true', RATE_LIMIT_REQUESTS: 600 } },
      retention: { ...defaults.retention, days: 400 },
      serviceAccountAnnotations: { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::1:role/a' },
    });
    expect(full.map(({ kind }) => kind)).toContain('CronJob');
    for (const manifest of [...plain, ...full]) await validate(manifest);
    const containers = valuesUnder(full, 'containers').flat() as Container[];
    const named = containers.flatMap(({ env = [] }) => env.map(({ name }) => name));
    expect(named).toContain('RATE_LIMIT_REQUESTS');
    expect(named.filter((name) => !settings.has(name))).toEqual([]);
    for (const { securityContext, resources } of containers) {
      expect(securityContext).toMatchObject({ readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } });
      expect(resources?.limits?.memory).toMatch(/^\d+Mi$/);
    }
  });

  test('the chart has what Helm requires, and the version of the project', () => {
    const { version } = JSON.parse(read('package.json'));
    const { version: own, appVersion, ...others } = parse(read('examples/helm/auditbox/Chart.yaml'));
    expect([own, appVersion]).toEqual([version, version]);
    // What Helm requires of a chart, in addition to its version.
    expect(others).toMatchObject({ apiVersion: 'v2', name: 'auditbox', type: 'application' });
    expect(Object.values(defaults.images)).toEqual([
      ...[`registry.example/auditbox-api:${version}`, `registry.example/auditbox-exporter:${version}`],
    ]);
  });
});

describe('examples/compose/secrets.yml', () => {
  const overlay = parse(read('examples/compose/secrets.yml')) as {
    services: Record<string, { environment: Record<string, string>; secrets: string[] }>;
    secrets: object;
  };
  const base = parse(read('docker-compose.yml'), { merge: true }) as {
    services: Record<string, { environment: Record<string, unknown> }>;
  };

  test('each secret that it takes out of the environment is in a file that the process reads and gets', () => {
    for (const [service, { environment, secrets }] of Object.entries(overlay.services)) {
      const files = Object.entries(environment).filter(([name]) => name.endsWith('_FILE'));
      expect(files.length, service).toBeGreaterThan(0);
      for (const [name, path] of files) {
        const variable = name.replace(/_FILE$/, '');
        expect(environment[variable], `${service}: ${variable}`).toBe('');
        expect(base.services[service]?.environment, service).toHaveProperty(variable);
        expect(secrets).toContain(path.replace('/run/secrets/', ''));
        const isRead = ['postgres', 's3', 'migrate'].includes(service) || secretsInFiles.includes(variable);
        expect(isRead, `${service}: ${variable}`).toBe(true);
      }
      for (const secret of secrets) expect(overlay.secrets).toHaveProperty(secret);
    }
  });

  const hasCompose = spawnSync('docker-compose', ['version']).status === 0;

  test.skipIf(!hasCompose)('docker compose accepts it on top of docker-compose.yml (needs docker-compose)', () => {
    const folder = mkdtempSync(join(tmpdir(), 'auditbox-compose-'));
    writeFileSync(join(folder, 'env'), read('.env.example').replaceAll(/^([A-Z_]*(?:PASSWORD|KEY))=$/gm, '$1=file'));
    const files = ['docker-compose.yml', 'examples/compose/secrets.yml'].flatMap((file) => ['-f', pathOf(file)]);
    const args = ['--env-file', join(folder, 'env'), ...files, 'config'];
    const { status, stdout, stderr } = spawnSync('docker-compose', args, { encoding: 'utf8', cwd: pathOf('.') });
    expect(status, stderr).toBe(0);
    const { services } = parse(stdout) as typeof base;
    expect(services.api?.environment).toMatchObject({ PGPASSWORD: '', PGPASSWORD_FILE: '/run/secrets/api-password' });
  });

  test('every service that runs for ever has a limit of memory', () => {
    const { services } = base as unknown as { services: Record<string, { restart?: string; mem_limit?: string }> };
    const running = Object.entries(services).filter(([, { restart }]) => restart === 'unless-stopped');
    expect(running.length).toBeGreaterThan(5);
    for (const [name, { mem_limit: limit }] of running) expect(limit, name).toMatch(/^\$\{[A-Z]+_MEMORY:-\d+m\}$/);
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
