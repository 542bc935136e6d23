import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { spawnApp } from '@auditbox/testing/servers/spawn-app.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { hasPrometheus, startPrometheus } from './prometheus-server.ts';
import { readAlerts } from './queries.ts';

const runbook = readFileSync(new URL('../../../docs/RUNBOOK.md', import.meta.url), 'utf8');
const headings = [...runbook.matchAll(/^##? (.+)$/gm)].map(([, title = '']) => title);
const anchors = new Set(headings.map(toAnchor));
const alerts = readAlerts();

let db: TestDatabase;
beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close(1_000));

test.each(alerts)(
  'the alert $alert has a severity, an impact, and a link to its chapter below the address of the runbook',
  ({ labels, annotations }) => {
    expect(['page', 'ticket']).toContain(labels.severity);
    expect(annotations.impact).toMatch(/\.$/);
    if (labels.severity === 'page') expect(annotations.first_step).toMatch(/\.$/);
    const [file, anchor = ''] = (annotations.runbook_url ?? '').split('#');
    expect(file).toBe('{{ $externalLabels.auditbox_runbook }}');
    expect(anchors).toContain(anchor);
  },
);

test('the address of the runbook in alerts is a setting of docker-compose.yml, and without it a page of its Prometheus', () => {
  const { global } = parse(readFileSync(new URL('../prometheus/prometheus.yml', import.meta.url), 'utf8'));
  expect(global.external_labels.auditbox_runbook).toMatch(/^\$\{RUNBOOK_URL\}$/);
  const { services } = parse(readFileSync(new URL('../../../docker-compose.yml', import.meta.url), 'utf8'));
  const { environment, volumes, command, ports } = services.prometheus;
  const [, fallback = ''] = /^\$\{RUNBOOK_URL:-(.+)\}$/.exec(environment.RUNBOOK_URL) ?? [];
  const { protocol, host, pathname } = new URL(fallback);
  expect(protocol).toBe('http:');
  const published = ports.map((port: string) => port.replace(/\$\{\w+:-(\d+)\}/, '$1'));
  expect(published).toEqual([`${host}:9090`]);
  const [, name = ''] = /^\/user\/(.+)$/.exec(pathname) ?? [];
  expect(volumes).toContain(`./docs/${name}:/etc/auditbox/${name}:ro`);
  expect(command).toContain('--web.user-assets=/etc/auditbox');
});

test.skipIf(!hasPrometheus)('Prometheus serves the runbook under that address (needs prometheus)', async () => {
  const prometheus = await startPrometheus({}, { assets: fileURLToPath(new URL('../../../docs', import.meta.url)) });
  try {
    const answer = await fetch(`${prometheus.url}/user/RUNBOOK.md`);
    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe(runbook);
  } finally {
    await prometheus.close();
  }
});

test('every chapter about an alert belongs to an existing alert', () => {
  const chapters = headings.filter((title) => title.startsWith('Auditbox'));
  expect(chapters.sort()).toEqual(alerts.map(({ alert }) => alert).sort());
});

test('every service, deployment and command in the forms for containers and Kubernetes exists', () => {
  const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
  const { services } = parse(read('docker-compose.yml'));
  const cluster = read('examples/kubernetes/auditbox.yaml');
  const program = read('packages/cli/src/subcommands.ts');
  const named = (form: RegExp) => [...runbook.matchAll(form)].map(([, name = '']) => name);
  const inCompose = named(/docker compose (?:exec|run --rm|restart|logs --since 1h) ([a-z-]+)/g);
  const inCluster = named(/(?:deploy\/|cronjob\/|delete job )([a-z-]+)/g);
  const commands = named(/(?:exec [a-z-]+|--) auditbox ([a-z]+)/g);
  expect([inCompose.length, inCluster.length, commands.length].every((count) => count > 3)).toBe(true);
  expect(inCompose.filter((name) => !(name in services))).toEqual([]);
  expect(inCluster.filter((name) => !cluster.includes(`name: ${name}\n`))).toEqual([]);
  expect(commands.filter((name) => !program.includes(`subcommand('${name}'`))).toEqual([]);
});

test('every command of the runbook is in the table of the three forms, with one for containers and one for Kubernetes', () => {
  const [, rows = ''] = /^\| in a clone, .*\n\|---.*\n((?:\|.*\n)+)/m.exec(runbook) ?? [];
  const forms = rows
    .trim()
    .split('\n')
    .map((row) => row.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '').trim()));
  expect(forms.length).toBeGreaterThan(10);
  for (const cells of forms)
    expect(
      cells.filter((cell) => cell !== ''),
      cells[0],
    ).toHaveLength(3);
  const inTable = forms.flatMap(([clone = '']) => [...clone.matchAll(/npm run ([a-z-]+)/g)].map(([, name]) => name));
  const named = [...runbook.matchAll(/npm run ([a-z-]+)/g)].map(([, name]) => name);
  expect([...new Set(named)].filter((name) => !inTable.includes(name))).toEqual([]);
  // A row whose command runs as it is elsewhere names the same command there.
  for (const [clone = '', ...elsewhere] of forms) {
    const own = [...clone.matchAll(/npm run ([a-z-]+)/g)].map(([, name]) =>
      name === 'verify-archive' ? 'verify' : name,
    );
    const others = elsewhere.flatMap((cell) => [...cell.matchAll(/ auditbox ([a-z]+)/g)].map(([, name]) => name));
    if (own.length > 0)
      expect(
        others.filter((name) => !own.includes(name)),
        clone,
      ).toEqual([]);
  }
});

test('every reason in the tables of reasons is a part of what the exporter writes', () => {
  const sources = ['packages/s3/src/explain-error.ts', 'packages/core/src/export/error-class.ts'].concat(
    'apps/exporter/src/export/compare-existing.ts',
    'packages/db/src/export/find-bad-rows.ts',
  );
  const written = sources.map((path) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')).join('');
  const tables = [
    ...runbook.matchAll(/^\| (?:the reason contains \| look at|reason \| do) \|\n\|---.*\n((?:\|.*\n)+)/gm),
  ].map(([, rows = '']) => rows);
  const reasons = tables.flatMap((rows) =>
    [...rows.matchAll(/^\| ([^|]+) \|/gm)].flatMap(([, cell = '']) => cell.replaceAll('`', '').split(', ')),
  );
  expect(tables).toHaveLength(2);
  expect(reasons.filter((reason) => !written.includes(reason))).toEqual([]);
});

test('every link within the runbook has a target', () => {
  const links = [...runbook.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor = '']) => anchor);
  expect(links.filter((anchor) => !anchors.has(anchor))).toEqual([]);
});

const statements = blocks('sql').flatMap((block) => block.split(/;\s*\n/).filter((text) => text.trim() !== ''));

test.each(statements)('Postgres accepts the statement %s', async (statement) => {
  await db.sql.unsafe(statement);
});

test('every flag in the commands of the runbook exists', async () => {
  const commands = blocks('sh')
    .flatMap((block) => block.split('\n'))
    .map((line) => line.trim());
  const npmCommands = commands.filter((line) => line.startsWith('npm run'));
  expect(npmCommands.length).toBeGreaterThan(5);
  const helps = new Map<string, string>();
  for (const command of npmCommands) {
    const [, app = '', verb = ''] = /^npm run ([a-z]+) -- (?:([a-z]+)\b)?/.exec(command) ?? [];
    expect(app, command).not.toBe('');
    const about = `${app} ${verb}`;
    if (!helps.has(about)) helps.set(about, await readHelp(app, verb));
    for (const [flag] of command.matchAll(/ --[a-z][a-z-]*/g)) expect(helps.get(about), command).toContain(flag);
  }
});

async function readHelp(app: string, verb: string): Promise<string> {
  const program = new URL('../../cli/src/main.ts', import.meta.url);
  const shown = spawnApp(program, {}, [app, ...(verb === '' ? [] : [verb]), '--help']);
  expect(await shown.ended).toBe(0);
  return shown.output();
}

function blocks(language: string): string[] {
  return [...runbook.matchAll(/^ *```(\w+)\n(.*?)^ *```/gms)].flatMap(([, name, text = '']) =>
    name === language ? [text] : [],
  );
}

/** Makes an anchor as GitHub does. */
function toAnchor(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}
