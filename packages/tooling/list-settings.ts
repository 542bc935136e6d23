import { readFile, writeFile } from 'node:fs/promises';
import { apiSettingTable } from '../../apps/api/src/settings.ts';
import { archiveOnlySettings } from '../../apps/archive/src/settings.ts';
import { exporterSettings } from '../../apps/exporter/src/settings.ts';
import { commonSettings, hostSetting } from '../process/src/common-settings.ts';
import type { SettingTable } from '../process/src/settings.ts';
import { s3Environment } from '../s3/src/s3-environment.ts';

/*
 * Writes the tables of docs/settings.md from the schemas that read the settings, and the list of their names, by which every
 * process finds wrong ones. With --check it writes nothing and fails when one of them is out of date. It also fails when
 * docker-compose.yml does not pass a setting on.
 */

const page = new URL('../../docs/settings.md', import.meta.url);
const shared = { ...commonSettings, HOST: hostSetting };

const tables = {
  'settings-both': shared,
  'settings-api': without(apiSettingTable, { ...shared, ...s3Environment }),
  'settings-exporter': without(exporterSettings, shared),
  'settings-archive': archiveOnlySettings,
};

const before = await readFile(page, 'utf8');
const after = Object.entries(tables).reduce(replaceTable, before);
const compose = await readFile(new URL('../../docker-compose.yml', import.meta.url), 'utf8');
const settings = Object.keys({ ...apiSettingTable, ...exporterSettings });
const missing = settings.filter((name) => !compose.includes(`${name}:`));
// A .env also has the variables of docker-compose.yml.
const composed = [...compose.matchAll(/\$\{([A-Z][A-Z0-9_]*)/g)].map(([, name = '']) => name);
const all = [...settings, ...Object.keys(archiveOnlySettings), ...composed];
const known = `${JSON.stringify([...new Set(all)].sort(), null, 2)}\n`;
const knownFile = new URL('../process/src/known-settings.json', import.meta.url);
if (missing.length > 0) {
  process.stderr.write(`docker-compose.yml does not pass on ${missing.join(', ')}.\n`);
  process.exitCode = 1;
}
if (process.argv.includes('--check')) {
  if (after !== before) {
    process.stderr.write('docs/settings.md is out of date; run `npm run format`.\n');
    process.exitCode = 1;
  }
  if (known !== (await readFile(knownFile, 'utf8'))) {
    process.stderr.write('packages/process/src/known-settings.json is out of date; run `npm run format`.\n');
    process.exitCode = 1;
  }
} else {
  await writeFile(page, after);
  await writeFile(knownFile, known);
}

function without(table: SettingTable, others: SettingTable): SettingTable {
  return Object.fromEntries(Object.entries(table).filter(([name]) => !(name in others)));
}

function replaceTable(text: string, [name, table]: [string, SettingTable]): string {
  const [start, end] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`];
  const from = text.indexOf(start);
  const to = text.indexOf(end);
  if (from === -1 || to === -1) throw new Error(`docs/settings.md has no place marked ${name}.`);
  const rows = Object.entries(table).map(
    ([setting, { fallback, accepts, meaning }]) =>
      `| \`${setting}\` | ${fallback} | ${escapeCell(accepts)} | ${meaning} |\n`,
  );
  const lines = ['\n| setting | default | accepts | meaning |\n', '|---|---|---|---|\n', ...rows, '\n'].join('');
  return text.slice(0, from + start.length) + lines + text.slice(to);
}

function escapeCell(text: string): string {
  return text.replace(/[_*|]/g, '\\$&');
}
