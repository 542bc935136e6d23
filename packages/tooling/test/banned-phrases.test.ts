import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

const program = fileURLToPath(new URL('../banned-phrases.ts', import.meta.url));
/** Put together here, because the check scans this file too. */
const planted = ['one that is', 'none'].join(' ');

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'banned-phrases-'));
  await run('git', ['init', '--quiet']);
});
afterEach(() => rm(folder, { recursive: true }));

test.each([
  ['comment.ts', `const a = 1;\n// An event, or ${planted}.\n`],
  ['string.ts', `const a = 1;\nconst text = 'An event, or ${planted}.';\n`],
  ['statement.sql', `select 1;\n-- An event, or ${planted}.\n`],
  ['page.md', `# Page\nAn event, or ${planted}.\n`],
  ['alerts.yml', `a: 1\nsummary: An event, or ${planted}.\n`],
  ['grafana/dashboards/main.json', `{\n"title": "An event, or ${planted}."}\n`],
])('a banned phrase in %s is reported with its line, and the check fails', async (file, text) => {
  await write(file, text);
  const { code, output } = await run(process.execPath, [program]);
  expect(output).toContain(`${file}:2: "${planted.slice(9)}". `);
  expect(output).toContain('Write ');
  expect(code).toBe(1);
});

test('a phrase that continues on the next line of a comment is found', async () => {
  await write('comment.ts', `/**\n * An event, or ${planted.replace(' none', '\n * none')}.\n */\n`);
  expect(await run(process.execPath, [program])).toMatchObject({ code: 1 });
});

test('clean text passes without output', async () => {
  await write('code.ts', '// A minor normal thing. None is left.\nconst nor1 = { isNone: true };\n');
  await write('page.md', 'No row is lost. The ledger holds none.\n');
  expect(await run(process.execPath, [program])).toEqual({ code: 0, output: '' });
});

test('generated files, the lock file and licences are not scanned', async () => {
  for (const file of ['schema.sql', 'results/figures.md', 'package-lock.json', 'LICENSE']) await write(file, planted);
  expect(await run(process.execPath, [program])).toEqual({ code: 0, output: '' });
});

test('only the given paths are scanned', async () => {
  await write('a/page.md', planted);
  await write('b/page.md', 'Clean.');
  expect(await run(process.execPath, [program, 'b'])).toEqual({ code: 0, output: '' });
  expect(await run(process.execPath, [program, 'a'])).toMatchObject({ code: 1 });
});

async function write(file: string, text: string): Promise<void> {
  await mkdir(dirname(join(folder, file)), { recursive: true });
  await writeFile(join(folder, file), text);
}

function run(command: string, argv: readonly string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(command, argv, { cwd: folder }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), output: stdout + stderr });
    });
  });
}
