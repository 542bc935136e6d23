import { readFile, writeFile } from 'node:fs/promises';
import { apiSettings } from '../../apps/api/src/settings.ts';
import { exporterSettings } from '../../apps/exporter/src/settings.ts';
import { commonSettings, hostSetting } from '../process/src/common-settings.ts';
import type { SettingTable } from '../process/src/settings.ts';

/*
 * Writes the README's tables of settings from the schemas that read them; with --check it only says whether they are
 * up to date. Also says which settings docker-compose.yml does not pass on.
 */

const readme = new URL('../../README.md', import.meta.url);
const shared = { ...commonSettings, HOST: hostSetting };

const tables = {
  'settings-both': shared,
  'settings-api': without(apiSettings, shared),
  'settings-exporter': without(exporterSettings, shared),
};

const before = await readFile(readme, 'utf8');
const after = Object.entries(tables).reduce(replaceTable, before);
const compose = await readFile(new URL('../../docker-compose.yml', import.meta.url), 'utf8');
const forgotten = Object.keys({ ...apiSettings, ...exporterSettings }).filter((name) => !compose.includes(`${name}:`));
if (forgotten.length > 0) {
  process.stderr.write(`docker-compose.yml does not pass on ${forgotten.join(', ')}.\n`);
  process.exitCode = 1;
}
if (process.argv.includes('--check')) {
  if (after !== before) {
    process.stderr.write("README.md's settings are out of date; run `npm run format`.\n");
    process.exitCode = 1;
  }
} else {
  await writeFile(readme, after);
}

function without(table: SettingTable, left: SettingTable): SettingTable {
  return Object.fromEntries(Object.entries(table).filter(([name]) => !(name in left)));
}

function replaceTable(text: string, [name, table]: [string, SettingTable]): string {
  const [start, end] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`];
  const from = text.indexOf(start);
  const to = text.indexOf(end);
  if (from === -1 || to === -1) throw new Error(`README.md has no place marked ${name}.`);
  const rows = Object.entries(table).map(
    ([setting, { fallback, accepts, meaning }]) =>
      `| \`${setting}\` | ${fallback} | ${escapeCell(accepts)} | ${meaning} |\n`,
  );
  const lines = ['\n| setting | default | takes | meaning |\n', '|---|---|---|---|\n', ...rows, '\n'].join('');
  return text.slice(0, from + start.length) + lines + text.slice(to);
}

function escapeCell(text: string): string {
  return text.replace(/[_*|]/g, '\\$&');
}
