import { readFile, writeFile } from 'node:fs/promises';
import { errorCodes } from '../../apps/api/src/http/error-codes.ts';

/*
 * Writes the table of docs/errors.md from the codes that the api has. With --check it writes nothing and fails when the table
 * is out of date.
 */

const page = new URL('../../docs/errors.md', import.meta.url);
const [start, end] = ['<!-- errors -->\n', '<!-- /errors -->'];

const before = await readFile(page, 'utf8');
const rows = Object.entries(errorCodes).map(
  ([code, { status, meaning, retry }]) => `| \`${code}\` | ${status} | ${retry ? 'yes' : 'no'} | ${meaning} |\n`,
);
const table = ['\n| code | status | retry | meaning |\n', '|---|---|---|---|\n', ...rows, '\n'].join('');
const after = before.slice(0, before.indexOf(start) + start.length) + table + before.slice(before.indexOf(end));

if (process.argv.includes('--check')) {
  if (after !== before) {
    process.stderr.write('docs/errors.md is out of date; run `npm run format`.\n');
    process.exitCode = 1;
  }
} else {
  await writeFile(page, after);
}
