import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseCommand } from '../src/cli.ts';
import { lockFolder } from '../src/stack/lock.ts';
import { keepLogKey } from '../src/stack/log-key.ts';
import { makeHome } from '../src/stack/make-home.ts';
import { reservePort } from '../src/stack/reserve-port.ts';
import { keepSecret } from '../src/stack/secrets.ts';
import { listIgnored } from '../src/stack/services.ts';

/* The folder of all data of `npm start`: whose it is, and what an interrupted start leaves there. */

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'auditbox-home-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const modeOf = (path: string) => statSync(path).mode & 0o7777;

test('a folder that was there before keeps its mode, and a new one is for its owner', async () => {
  chmodSync(folder, 0o1777);
  await makeHome(folder);
  expect(modeOf(folder)).toBe(0o1777);
  const made = join(folder, 'made', 'here');
  await makeHome(made);
  expect(modeOf(made) & 0o066).toBe(0);
});

test('a folder that cannot be used is named in a sentence', async () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  await expect(makeHome(file)).rejects.toThrow(
    `The data cannot be in ${file}: it is a file (EEXIST). Name another folder with --data.`,
  );
  await expect(makeHome(join(file, 'below'))).rejects.toThrow('a part of its path is a file (ENOTDIR)');
  await expect(lockFolder(join(folder, 'missing', 'pid'))).rejects.toThrow(/^The data cannot be in .*ENOENT/);
});

test('a secret that a full disk left empty is made again, and a whole one stays', async () => {
  const file = join(folder, 'secret');
  writeFileSync(file, '');
  const made = await keepSecret(file, 'ab_');
  expect(made).toEqual({ value: expect.stringMatching(/^ab_[\w-]{43}$/), isNew: true });
  expect(await keepSecret(file, 'ab_')).toEqual({ ...made, isNew: false });
  expect(modeOf(file)).toBe(0o600);
  writeFileSync(join(folder, 'log-key.pem'), '');
  const log = await keepLogKey(folder);
  expect(await keepLogKey(folder)).toEqual(log);
  expect(readdirSync(folder).sort()).toEqual(['log-key.pem', 'log-origin', 'secret']);
});

test('two starts at the same time make one secret', async () => {
  const file = join(folder, 'secret');
  const made = await Promise.all([1, 2, 3, 4].map(() => keepSecret(file, '')));
  expect(new Set(made.map(({ value }) => value)).size).toBe(1);
  expect(made.filter(({ isNew }) => isNew)).toHaveLength(1);
});

test('a file with our own process id is of an earlier start: in a container each start has the same', () => {
  const lock = fileURLToPath(new URL('../src/stack/lock.ts', import.meta.url));
  const file = join(folder, 'pid');
  const script = `
    import { readFileSync, writeFileSync } from 'node:fs';
    import { lockFolder } from ${JSON.stringify(lock)};
    writeFileSync(${JSON.stringify(file)}, String(process.pid));
    await lockFolder(${JSON.stringify(file)});
    process.exit(Number(readFileSync(${JSON.stringify(file)}, 'utf8')) === process.pid ? 0 : 1);`;
  execFileSync(process.execPath, ['--input-type=module', '-e', script, 'auditbox']);
});

test('an empty folder name is refused, because it would be the current folder', () => {
  const cli = fileURLToPath(new URL('../src/cli.ts', import.meta.url));
  const script = `import { parseCommand } from ${JSON.stringify(cli)}; parseCommand(['--data', ''], {});`;
  expect(() => execFileSync(process.execPath, ['--input-type=module', '-e', script], { stdio: 'pipe' })).toThrow(
    /It must be the path of a folder/,
  );
  expect(parseCommand(['--data', folder], {}).data).toBe(folder);
});

test('settings that the stack cannot honour are ignored by name', () => {
  expect(listIgnored({ TLS_CERT_FILE: 'c', TLS_KEY_FILE: 'k', PUBLIC_URL: 'u', S3_PREFIX: 'p' })).toEqual([
    'TLS_CERT_FILE',
    'TLS_KEY_FILE',
  ]);
});

/** From which port on a user who is not root may listen. */
const firstFreeForAll = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));
const canBeRefused = process.getuid?.() === 0 && firstFreeForAll > 1;
if (!canBeRefused) process.stderr.write('\nSKIPPED: a port that the user may not listen on. Every user may here.\n\n');

test.runIf(canBeRefused)('a port that the user may not listen on is not called taken', () => {
  const file = fileURLToPath(new URL('../src/stack/reserve-port.ts', import.meta.url));
  const script = `
    import { reservePort } from ${JSON.stringify(file)};
    await reservePort(1, 'PORT').catch(({ message }) => process.stdout.write(message));`;
  const options = { uid: 65_534, gid: 65_534, cwd: '/', encoding: 'utf8', env: {} } as const;
  expect(execFileSync(process.execPath, ['--input-type=module', '-e', script], options)).toBe(
    'PORT is 1, but this user may not listen on that port.',
  );
});

test('a port that is taken is called taken', async () => {
  const first = await reservePort(0);
  await expect(reservePort(first.port, 'PORT')).rejects.toThrow(
    `PORT is ${first.port}, but another program listens on that port.`,
  );
  await first.release();
});
