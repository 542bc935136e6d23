import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { secretsInFiles } from '@auditbox/process/secret-files.ts';
import { expect, test } from 'vitest';
import { apiSettingTable } from '../../../apps/api/src/settings.ts';
import { exporterSettings } from '../../../apps/exporter/src/settings.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');

const documents = globSync(['*.md', 'docs/**/*.md', '{apps,packages}/*/*.md', '{apps,packages}/*/src/**/*.md'], {
  cwd: root,
  exclude: (path) => path.includes('node_modules'),
}).sort();

test.each(documents)('every link in %s leads to a file, and to a heading of it', (document) => {
  expect(linksIn(document).filter((link) => !leadsSomewhere(document, link))).toEqual([]);
});

test('README.md leads to every document and every workspace in two clicks', () => {
  const oneClick = targetsOf('README.md');
  const reached = new Set([...oneClick, ...oneClick.flatMap(targetsOf)]);
  const workspaces = globSync('{apps,packages}/*/package.json', { cwd: root }).map(dirname);
  expect([...documents, ...workspaces].filter((path) => !reached.has(path))).toEqual([]);
});

test('README.md has at most 250 lines', () => {
  expect(read('README.md').split('\n').length - 1).toBeLessThanOrEqual(250);
});

/** The changelog also names settings that are gone. */
test.each(documents.filter((path) => path !== 'CHANGELOG.md'))('every setting that %s names exists', (document) => {
  const compose = [...read('docker-compose.yml').matchAll(/\b[A-Z][A-Z0-9_]+\b/g)].map(([name]) => name);
  const files = secretsInFiles.map((name) => `${name}_FILE`);
  const known = new Set([...Object.keys(apiSettingTable), ...Object.keys(exporterSettings), ...compose, ...files]);
  const named = read(document).match(/\b(?:S3|EXPORT|AUDIT|OUTBOX|DATABASE|METRICS|OTEL)_[A-Z0-9_]*[A-Z0-9]\b/g) ?? [];
  expect(named.filter((name) => !known.has(name))).toEqual([]);
});

const testFiles = globSync('{apps,packages}/*/test/**/*.test.ts', {
  cwd: root,
  exclude: (path) => path.includes('node_modules'),
});

test('every test that docs/THREATS.md names exists, and each attack has one', () => {
  const rows = read('docs/THREATS.md')
    .split('\n')
    .filter((line) => /^\|(?! attack \||---)/.test(line))
    .map((line) => line.split('|')[3] ?? '');
  expect(rows.length).toBeGreaterThan(25);
  const named = rows.map((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name as string));
  expect(rows.filter((_cell, row) => named[row]?.length === 0)).toEqual([]);
  const exists = (name: string) => testFiles.some((path) => `/${path}`.endsWith(`/${name}.test.ts`));
  expect(named.flat().filter((name) => !exists(name))).toEqual([]);
});

test.each(documents.filter((path) => path !== 'CHANGELOG.md'))('every test file that %s names exists', (document) => {
  const named = [...read(document).matchAll(/`((?:[\w-]+\/)*[\w-]+\.test\.ts)`/g)].map(([, name]) => name as string);
  expect(named.filter((name) => !testFiles.some((path) => `/${path}`.endsWith(`/${name}`)))).toEqual([]);
});

test('.nvmrc, devEngines and the package `node` name the same Node', () => {
  const { dependencies, devEngines } = JSON.parse(read('package.json'));
  expect(devEngines.runtime.version).toBe(dependencies.node);
  expect(read('.nvmrc').trim()).toBe(dependencies.node);
});

/** Relative links and pictures outside of code. */
function linksIn(document: string): string[] {
  const prose = read(document)
    .replace(/^ *```.*?^ *```/gms, '')
    .replace(/`[^`\n]*`/g, '');
  const links = [...prose.matchAll(/\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"/g)];
  return links.map(([, target, attribute]) => target ?? attribute ?? '').filter((link) => !/^[a-z]+:/.test(link));
}

function leadsSomewhere(document: string, link: string): boolean {
  const path = pathOf(document, link);
  if (!existsSync(join(root, path))) return false;
  const anchor = link.split('#')[1];
  return anchor === undefined || (path.endsWith('.md') && anchorsIn(path).has(anchor));
}

function pathOf(document: string, link: string): string {
  const [path = ''] = link.split('#');
  return path === '' ? document : normalize(join(dirname(document), path)).replace(/\/$/, '');
}

function targetsOf(path: string): string[] {
  if (!path.endsWith('.md') || !statSync(join(root, path)).isFile()) return [];
  return linksIn(path).map((link) => pathOf(path, link));
}

/** The anchors that GitHub gives to the headings of a document. */
function anchorsIn(path: string): Set<string> {
  const anchors = new Set<string>();
  const prose = read(path).replace(/^ *```.*?^ *```/gms, '');
  for (const [, heading = ''] of prose.matchAll(/^#{1,6} (.+)$/gm)) {
    const anchor = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-');
    let unique = anchor;
    for (let count = 1; anchors.has(unique); count += 1) unique = `${anchor}-${count}`;
    anchors.add(unique);
  }
  return anchors;
}
