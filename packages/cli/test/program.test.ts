import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endApps, spawnProgram } from '@auditbox/testing/servers/spawn-app.ts';
import { openTestDatabase, type TestDatabase } from '@auditbox/testing/servers/test-database.ts';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { subcommands } from '../src/subcommands.ts';

/* The program `auditbox`, as a container or `npx auditbox` runs it. */

const program = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const names = subcommands.map(({ name }) => name);
let db: TestDatabase;
let folder: string;

beforeAll(async () => {
  db = await openTestDatabase();
});
afterAll(() => db.close(1_000));
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'auditbox-cli-'));
});
afterEach(async () => {
  await endApps();
  await rm(folder, { recursive: true });
});

async function run(args: readonly string[], env: Record<string, string> = {}) {
  const data = { AUDITBOX_DATA: join(folder, 'data') };
  const app = spawnProgram(process.execPath, [program, ...args], { cwd: folder, env: { ...data, ...env } });
  return { code: await app.ended, output: app.output() };
}

test('--help lists every command with one line', async () => {
  const { code, output } = await run(['--help']);
  expect(code).toBe(0);
  for (const { name, about } of subcommands) expect(output).toMatch(new RegExp(`^ {2}${name} +${about}$`, 'm'));
});

test('--version prints the version of the project, for the program and for each command', async () => {
  const { version } = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8'));
  for (const args of [['--version'], ...names.map((name) => [name, '--version'])])
    expect(await run(args)).toEqual({ code: 0, output: `${version}\n` });
});

test.each(names)('%s --help describes it without a setting and exits with 0', async (name) => {
  const { code, output } = await run([name, '--help'], { AUDITBOX_COMMAND: 'auditbox' });
  expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(new RegExp(`auditbox ${name}.*--`, 's')) });
  expect(output).not.toContain('npm run');
});

test('a second start compiles no TypeScript', async () => {
  // Without the cache of the tests, as an operator starts it.
  const own = { NODE_COMPILE_CACHE: '', NODE_DEBUG_NATIVE: 'COMPILE_CACHE' };
  await run(['keys', '--help'], own);
  const { output } = await run(['keys', '--help'], own);
  expect(output).toMatch(/retrieving transpile cache for StrippedTypeScript \S+keys\/main\.ts\.\.\.success/);
  expect(output).not.toContain('no transpile cache');
});

test('an unknown command ends with 1 and names the nearest one', async () => {
  expect(await run(['docter'])).toEqual({ code: 1, output: 'There is no command docter. Did you mean doctor?\n' });
  expect((await run(['frobnicate'])).output).toContain('`auditbox --help` lists the commands.');
});

test.each([
  ['exporter', '--onec'],
  ['migrate', '--rolls'],
  ['keys', 'list', '--jsn'],
  ['destinations', 'list', '--jsn'],
  ['api', '--port'],
  ['status', '--jsn'],
])('the error about a wrong flag is the last thing on the screen: %s %s', async (...args) => {
  const { code, output } = await run(args);
  expect(code).toBe(1);
  expect(output).toMatch(/^error: unknown option .*\n(\(Did you mean .*\)\n)?$/);
});

test('settings come from .env, and a variable of the environment wins', async () => {
  await writeFile(join(folder, '.env'), `DATABASE_URL=${db.url}\nDATABASE_SCHEMA=nowhere\n`);
  expect(await run(['keys', 'list', '--json'], { DATABASE_SCHEMA: 'auditbox' })).toEqual({ code: 0, output: '[]\n' });
  expect((await run(['keys', 'list'])).code).toBe(1);
});

test('a secret comes from the file that its …_FILE names, also for the passwords of logins', async () => {
  await writeFile(join(folder, 'url'), `${db.url}\n`);
  const env = { DATABASE_URL_FILE: join(folder, 'url') };
  expect(await run(['keys', 'list', '--json'], env)).toEqual({ code: 0, output: expect.stringMatching(/^\[.*\]\n$/s) });
  const both = await run(['keys', 'list'], { ...env, DATABASE_URL: db.url });
  expect(both).toEqual({ code: 1, output: 'DATABASE_URL and DATABASE_URL_FILE are both set; set one of them.\n' });
  const missing = await run(['migrate'], { ...env, APP_API_PASSWORD_FILE: join(folder, 'missing') });
  expect(missing.output).toMatch(/^APP_API_PASSWORD_FILE is ".*missing"; the file cannot be read \(ENOENT\)\.\n$/);
});

test('without DATABASE_URL a command works with the Auditbox of npm start, and takes nothing from .env for it', async () => {
  await writeFile(join(folder, '.env'), 'S3_BUCKET=of-another-system\n');
  await writeFile(join(folder, 'env'), `DATABASE_URL=${db.url}\nS3_BUCKET=of-npm-start\n`);
  const { code, output } = await run(['keys', 'list', '--json'], { AUDITBOX_DATA: folder });
  expect({ code, output }).toEqual({
    code: 0,
    output: expect.stringMatching(/using the Auditbox of npm start.*\n\[\]\n$/),
  });
  const other = await run(['keys', 'list'], { AUDITBOX_DATA: folder, DATABASE_URL: 'postgres://x@127.0.0.1:1/x' });
  expect(other.output).not.toContain('npm start');
});

test('a setting with a typing error is named, with the one that was meant', async () => {
  const env = { DATABASE_URL: db.url, EXPORT_LINGER: '5' };
  expect((await run(['keys', 'list'], env)).output).toContain('Did you mean EXPORT_LINGER_MS?');
  const { output } = await run(['status'], env);
  expect(output).toMatch(/"event":"setting-unknown","name":"EXPORT_LINGER","nearest":"EXPORT_LINGER_MS"/);
});

test('in a container messages name the commands of the container', async () => {
  const env = { DATABASE_URL: db.url, DATABASE_SCHEMA: 'nowhere', AUDITBOX_COMMAND: 'auditbox' };
  expect((await run(['keys', 'list'], env)).output).toContain('`auditbox migrate`');
  expect((await run(['status'], env)).output).toContain('auditbox migrate');
  expect((await run(['keys', 'list'], { ...env, AUDITBOX_COMMAND: '' })).output).toContain('`npm run migrate`');
});

test('keys, capture and migrate print one JSON object with --json', async () => {
  const env = { DATABASE_URL: db.url };
  const created = JSON.parse(
    (await run(['keys', 'create', '--name', 'siem', '--scope', 'read', '--json'], env)).output,
  );
  expect(created).toMatchObject({ name: 'siem', scopes: expect.arrayContaining(['read']), key: expect.any(String) });
  const revoked = await run(['keys', 'revoke', '--name', 'siem', '--json'], env);
  expect(JSON.parse(revoked.output)).toEqual({ id: created.id, name: 'siem' });
  const migrated = await run(['migrate', '--json'], env);
  expect(JSON.parse(migrated.output)).toMatchObject({ ok: true, schema: 'auditbox' });
});
