import { execFileSync, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { formatVerifierKey, verifierKeyOf } from '@auditbox/evidence/signed-note.ts';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
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

/** The commands below a command, as its help lists them. */
function listVerbs(help: string): string[] {
  const [, list = ''] = /^Commands:\n((?: .*\n)+)/m.exec(help) ?? [];
  return [...list.matchAll(/^ {2}([a-z]+)\b/gm)].map(([, verb = '']) => verb).filter((verb) => verb !== 'help');
}

test.each(names)('%s has --json, and so has each command below it', async (name) => {
  const help = (await run([name, '--help'])).output;
  const verbs = listVerbs(help);
  if (verbs.length === 0) return expect(help).toMatch(/^ +--json\b/m);
  for (const verb of verbs) expect((await run([name, verb, '--help'])).output, verb).toMatch(/^ +--json\b/m);
});

test('the commands below a command are found in its help', async () => {
  expect(listVerbs((await run(['keys', '--help'])).output)).toEqual(['create', 'list', 'rotate', 'revoke']);
  expect(listVerbs((await run(['status', '--help'])).output)).toEqual([]);
});

test('each command has an npm script that runs it through the program, which reads .env', async () => {
  const { scripts } = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8'));
  for (const { name, file } of subcommands) {
    const script = name === 'verify' ? 'verify-archive' : name;
    expect(scripts[script], script).toMatch(new RegExp(`^(exec )?node .*packages/cli/src/main\\.ts ${name}$`));
    const path = /(packages|apps)\/.*$/.exec(file.pathname)?.[0] ?? '';
    expect(Object.values(scripts).filter((text) => String(text).includes(path))).toEqual([]);
  }
});

test('the check of an archive reads .env too', async () => {
  const key = formatVerifierKey(verifierKeyOf('log.example', generateKeyPairSync('ed25519').publicKey));
  const args = ['verify', '--s3', 'b', '--key', key];
  expect((await run(args)).output).toContain('AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set.');
  const settings = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', S3_ENDPOINT: 'http://127.0.0.1:1' };
  const lines = Object.entries(settings).map(([variable, value]) => `${variable}=${value}\n`);
  await writeFile(join(folder, '.env'), lines.join(''));
  const { code, output } = await run(args);
  expect({ code, output }).toEqual({ code: 1, output: expect.stringContaining('127.0.0.1:1') });
});

/** Links the package as `npm link` does, and runs `npx auditbox` there with the Node of this machine. */
async function runLinked(...args: readonly string[]) {
  const bin = join(folder, 'node_modules/.bin');
  await mkdir(bin, { recursive: true });
  await symlink(fileURLToPath(new URL('../src/auditbox.js', import.meta.url)), join(bin, 'auditbox'));
  await writeFile(join(folder, 'package.json'), '{}');
  // Without folders of modules, which have the Node of this clone.
  const path = (process.env.PATH ?? '').split(':').filter((one) => !one.includes('node_modules'));
  const quiet = { npm_config_offline: 'true', npm_config_update_notifier: 'false' };
  const env = { HOME: folder, AUDITBOX_DATA: join(folder, 'data'), PATH: path.join(':'), ...quiet };
  const app = spawnProgram('npx', ['auditbox', ...args], { cwd: folder, env });
  return { code: await app.ended, output: app.output() };
}

test('npx auditbox works in a folder that links the package, also with a Node that cannot run TypeScript', async () => {
  await writeFile(join(folder, '.env'), `DATABASE_URL=${db.url}\n`);
  expect(await runLinked('keys', 'list', '--json')).toEqual({ code: 0, output: '[]\n' });
});

test('npx auditbox ends with the exit code of the command', async () => {
  expect(await runLinked('docter')).toEqual({
    code: 1,
    output: 'There is no command docter. Did you mean doctor?\n',
  });
});

test('a second start compiles no TypeScript', async () => {
  // Without the cache of the tests, as an operator starts it.
  const own = { NODE_COMPILE_CACHE: '', NODE_DEBUG_NATIVE: 'COMPILE_CACHE' };
  await run(['keys', '--help'], own);
  const { output } = await run(['keys', '--help'], own);
  expect(output).toMatch(/retrieving transpile cache for StrippedTypeScript \S+keys\/main\.ts\.\.\.success/);
  expect(output).not.toContain('no transpile cache');
});

test.each([
  ['keys', '-h'],
  ['help', 'keys'],
  ['migrate', '-h'],
  ['doctor', '-h'],
  ['verify', '-h'],
])('help needs no setting, however it is asked for: %s %s', async (...args) => {
  const { code, output } = await run(args, { DATABASE_URL_FILE: join(folder, 'missing') });
  expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/options/i) });
});

/** Runs a command whose standard output fails. */
async function runWithout(output: number | null, args: readonly string[]) {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH, AUDITBOX_DATA: join(folder, 'data'), DATABASE_URL: db.url },
    stdio: ['ignore', output ?? 'pipe', 'pipe'],
  });
  // The reader goes away before the command has written anything.
  child.stdout?.destroy();
  let errors = '';
  (child.stderr as Readable).on('data', (text) => (errors += text));
  const [code] = await once(child, 'close');
  return { code, errors };
}

test.each([['--help'], ['keys', 'list', '--json'], ['status'], ['capture', 'list'], ['migrate', '--json']])(
  'a command whose reader goes away ends quietly, and not as a success: %s %s',
  async (...args) => {
    expect(await runWithout(null, args)).toEqual({ code: 141, errors: '' });
  },
);

test.each([['--help'], ['keys', 'list', '--json'], ['status']])(
  'output that cannot be stored is named, and the command fails: %s %s',
  async (...args) => {
    const full = openSync('/dev/full', 'w');
    const { code, errors } = await runWithout(full, args);
    closeSync(full);
    expect({ code, errors }).toEqual({
      code: 1,
      errors: expect.stringMatching(/^The output cannot be written: ENOSPC.*\n$/),
    });
  },
);

test.runIf(process.getuid?.() === 0)(
  'a command that is the first process of a container ends at a signal',
  async () => {
    const env = { DATABASE_URL: 'postgres://x@127.0.0.1:1/x' };
    for (const [signal, code] of [
      ['SIGTERM', 143],
      ['SIGINT', 130],
    ] as const) {
      const app = spawnProgram('unshare', ['--pid', '--fork', process.execPath, program, 'migrate'], { env });
      await eventually(() => expect(app.output()).toContain('Waiting up to 60 s.'));
      const first = Number(execFileSync('ps', ['--ppid', String(app.pid), '-o', 'pid='], { encoding: 'utf8' }));
      process.kill(first, signal);
      expect(await app.ended).toBe(code);
    }
  },
);

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

test('a value and its file are one setting, so one in the environment wins over the other in .env', async () => {
  await writeFile(join(folder, 'url'), db.url);
  await writeFile(
    join(folder, '.env'),
    `\ufeffDATABASE_URL=postgres://x@127.0.0.1:1/x\nPGPASSWORD_FILE=${folder}/missing\n`,
  );
  const env = { DATABASE_URL_FILE: join(folder, 'url'), PGPASSWORD: 'unused' };
  expect((await run(['keys', 'list', '--json'], env)).code).toBe(0);
  await writeFile(join(folder, '.env'), `\ufeffDATABASE_URL=${db.url}\n`);
  expect((await run(['keys', 'list', '--json'])).code).toBe(0);
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
    output: expect.stringMatching(
      /^Using the Auditbox of npm start \(.*\)\. Set DATABASE_URL to use another\.\n\[\]\n$/,
    ),
  });
  const other = await run(['keys', 'list'], { AUDITBOX_DATA: folder, DATABASE_URL: 'postgres://x@127.0.0.1:1/x' });
  expect(other.output).not.toContain('npm start');
});

test('where npm start does not run, a command says so and how to start it, also after a start that was killed', async () => {
  const says = `The Auditbox of ${folder} does not run. Start it with \`npm start -- --data ${folder}\`, or set DATABASE_URL`;
  const begins = { code: 1, output: expect.stringMatching(/^The Auditbox of .*\n.*DATABASE_URL is not set.*\n$/s) };
  const stopped = await run(['keys', 'list'], { AUDITBOX_DATA: folder });
  expect(stopped).toEqual(begins);
  expect(stopped.output).toContain(says);
  const ended = execFileSync('sh', ['-c', 'echo $$'], { encoding: 'utf8' });
  await writeFile(join(folder, 'pid'), ended.trim());
  await writeFile(join(folder, 'env'), 'DATABASE_URL=postgres://x@127.0.0.1:1/x\n');
  expect(await run(['keys', 'list'], { AUDITBOX_DATA: folder })).toEqual(stopped);
  expect((await run(['keys', 'list'])).output).not.toContain('does not run');
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

test('keys, capture and migrate print JSON with --json', async () => {
  const env = { DATABASE_URL: db.url };
  const created = JSON.parse(
    (await run(['keys', 'create', '--name', 'siem', '--scope', 'read', '--json'], env)).output,
  );
  expect(created).toMatchObject({ name: 'siem', scopes: expect.arrayContaining(['read']), key: expect.any(String) });
  const rotated = JSON.parse((await run(['keys', 'rotate', '--name', 'siem', '--json'], env)).output);
  expect(rotated).toMatchObject({ id: created.id, name: 'siem', key: expect.any(String) });
  const revoked = await run(['keys', 'revoke', '--name', 'siem', '--json'], env);
  expect(JSON.parse(revoked.output)).toEqual({ id: created.id, name: 'siem' });
  const captured = await run(['capture', 'list', '--json'], env);
  expect(JSON.parse(captured.output)).toEqual([]);
  const migrated = await run(['migrate', '--json'], env);
  expect(JSON.parse(migrated.output)).toMatchObject({ ok: true, schema: 'auditbox' });
});
