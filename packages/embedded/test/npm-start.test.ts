import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { anEvent } from '@auditbox/testing/fixtures/test-events.ts';
import { type App, endApps, spawnProgram } from '@auditbox/testing/servers/spawn-app.ts';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { findFreePort } from '../src/stack/free-port.ts';

const root = resolve(import.meta.dirname, '../../..');
const isRoot = process.getuid?.() === 0;
let clone: string;

/**
 * Copies the project to a new folder, which no other user can enter, like a home. All tests share it, because code at a new
 * path is compiled anew.
 */
beforeAll(async () => {
  clone = await mkdtemp(join(tmpdir(), 'auditbox-clone-'));
  const filter = (path: string) => !path.includes('node_modules') && !path.includes('/dist/next-');
  for (const part of ['apps', 'packages', 'drizzle', 'package.json', 'tsconfig.json']) {
    await cp(join(root, part), join(clone, part), { recursive: true, filter });
  }
  const modules = join(clone, 'node_modules');
  await mkdir(join(modules, '@auditbox'), { recursive: true });
  for (const name of await readdir(join(root, 'node_modules'))) {
    if (name !== '@auditbox') await symlink(join(root, 'node_modules', name), join(modules, name));
  }
  for (const name of await readdir(join(root, 'packages'))) {
    await symlink(join(clone, 'packages', name), join(modules, '@auditbox', name));
  }
});
afterAll(() => rm(clone, { recursive: true, force: true }));

/** All processes of a stack are gone, and the next one begins without data. */
async function cleanUp(): Promise<void> {
  await eventually(async () => expect(stackPids()).toEqual([])).finally(endApps);
  await rm(join(clone, '.auditbox'), { recursive: true, force: true });
  await chmod(clone, 0o700);
  if (isRoot) execFileSync('chown', ['-R', '0:0', clone]);
}

/** Files that an earlier start could have left, and that --reset deletes. */
const earlierData = ['postgres/PG_VERSION', 's3/object', 'log-key.pem'];

async function leaveData(): Promise<void> {
  for (const name of earlierData) {
    const file = join(clone, '.auditbox', name);
    await mkdir(dirname(file), { recursive: true });
    // Nothing can be read from them: a reset also replaces damaged files.
    await writeFile(file, 'damaged');
  }
}

async function expectData(): Promise<void> {
  for (const name of earlierData) expect(await readFile(join(clone, '.auditbox', name), 'utf8'), name).toBe('damaged');
}

interface Started {
  readonly app: App;
  readonly api: string;
  readonly key: string;
}

function npmStart(
  env: Record<string, string> = {},
  options: { uid?: number; gid?: number } = {},
  args: readonly string[] = [],
): App {
  return spawnProgram('npm', ['start', '--', ...args], {
    cwd: clone,
    env: {
      ...{ HOME: clone, NODE_COMPILE_CACHE: join(clone, 'compiled'), EXPORT_LINGER_MS: '100' },
      // Otherwise the first npm of a new home may end with a line about its newest version.
      npm_config_update_notifier: 'false',
      ...env,
    },
    ...options,
  });
}

async function running(app: App): Promise<Started> {
  await eventually(() => expect(app.output()).toContain('Ctrl-C stops everything'));
  const api = / {2}api +(\S+)/.exec(app.output())?.[1] ?? '';
  return { app, api, key: readFileSync(join(clone, '.auditbox/master-key'), 'utf8').trim() };
}

/** Ids of all processes of this clone's stack, found by their command lines, so that orphans are included. */
function stackPids(): number[] {
  const lines = execFileSync('ps', ['-e', '-o', 'pid=,args='], { encoding: 'utf8' }).split('\n');
  return lines.filter((line) => line.includes(`${clone}/`)).map((line) => Number.parseInt(line, 10));
}

const supervisor = () => Number(readFileSync(join(clone, '.auditbox/pid'), 'utf8'));

async function call(api: string, key: string, path: string, body?: unknown) {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const post = { method: 'POST', headers, body: JSON.stringify(body) };
  const response = await fetch(`${api}${path}`, body === undefined ? { headers } : post);
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
  return { status: response.status, body: (await response.json()) as any };
}

const exported = (api: string, key: string, id: string) =>
  eventually(async () => {
    const { body } = await call(api, key, `/audit/${id}`);
    expect(body.export.state).toBe('done');
    return body.export.object_key as string;
  });

describe('npm start', () => {
  afterEach(cleanUp);

  test('the printed commands work, the page and the object appear, and a restart keeps everything', async () => {
    await rm(join(clone, 'apps/dashboard/dist'), { recursive: true, force: true });
    const first = await running(npmStart());
    expect(first.app.output()).toContain(`${first.key}   (shown only now`);
    expect(first.app.output()).toContain(`${first.api}/docs\n`);
    expect(first.app.output()).toContain('accepts any credentials and overwrites');
    expect(first.app.output()).toContain('\n  npm run status\n');
    expect(first.app.output()).toContain('"api-listening"');
    // It made the key itself, and there is nothing to unset.
    expect(first.app.output()).not.toContain('master-key-on');
    const page = / {2}page +(\S+)/.exec(first.app.output())?.[1] ?? '';
    const [script = ''] = /(?<=<script [^>]*src=")[^"]+/.exec(await (await fetch(page)).text()) ?? [];
    expect((await fetch(new URL(script, page))).status).toBe(200);
    const [post = '', get = ''] = first.app.output().match(/^ {2}curl .*?\n(?= *$)/gms) ?? [];
    const stored = JSON.parse(execFileSync('sh', ['-c', post], { encoding: 'utf8' }));
    expect(stored).toMatchObject({ changed_by: 'ana@example.com', updated_values: { max_budget: 25 } });
    expect(JSON.parse(execFileSync('sh', ['-c', get], { encoding: 'utf8' }))).toMatchObject({
      total: 1,
      audit_logs: [stored],
    });
    const event = anEvent({ updated_at: '2026-07-03T11:46:50Z' });
    expect((await call(first.api, first.key, '/audit', event)).status).toBe(201);
    const objectKey = await exported(first.api, first.key, event.id);
    expect(objectKey).toMatch(/^audit_logs\/dt=2026-07-03\/hour=11\//);
    const folder = / {2}objects +(\S+)/.exec(first.app.output())?.[1] ?? '';
    const lines = execFileSync('sh', ['-c', `gzip -dc < '${join(folder, objectKey)}.data'`], { encoding: 'utf8' });
    expect(JSON.parse(lines)).toMatchObject(event);
    first.app.signal('SIGINT');
    expect(await first.app.ended).toBe(0);
    expect(stackPids()).toEqual([]);

    const second = await running(npmStart());
    expect(second.app.output()).not.toContain(second.key);
    expect((await call(second.api, second.key, `/audit/${event.id}`)).body.export.object_key).toBe(objectKey);
    second.app.signal('SIGTERM');
    expect(await second.app.ended).toBe(0);
  });

  test.runIf(isRoot)('it works as an ordinary user, in a folder of that user', async () => {
    const nobody = { uid: 65_534, gid: 65_534 };
    execFileSync('chown', ['-R', '65534:65534', clone]);
    const { app, api, key } = await running(npmStart({}, nobody));
    const event = anEvent();
    await call(api, key, '/audit', event);
    await exported(api, key, event.id);
    app.signal('SIGTERM');
    expect(await app.ended).toBe(0);
  });

  test.runIf(isRoot)(
    'it works as root in a folder that others can enter, but not on the files of another user',
    async () => {
      await chmod(clone, 0o755);
      const { app } = await running(npmStart());
      app.signal('SIGTERM');
      expect(await app.ended).toBe(0);
      execFileSync('chown', ['-R', '65534', join(clone, '.auditbox/postgres')]);
      const refused = npmStart();
      expect(await refused.ended).toBe(1);
      expect(refused.output()).toContain('belongs to another user');
    },
  );

  test('an explicit port that is taken is refused at once, as the last line on the screen, and --reset deletes nothing', async () => {
    await leaveData();
    for (const name of ['PORT', 'METRICS_PORT']) {
      const other = createServer().listen(0, '127.0.0.1');
      await once(other, 'listening');
      const { port } = other.address() as AddressInfo;
      const app = npmStart({ [name]: String(port) }, {}, name === 'PORT' ? ['--reset'] : []);
      expect(await app.ended).toBe(1);
      expect(app.output().trimEnd()).toMatch(
        new RegExp(`${name} is ${port}, but another program listens on that port\\.$`),
      );
      other.close();
    }
    await expectData();
  });

  test('AUDIT_MASTER_KEY, METRICS_PORT, --data, --demo and --reset are honoured, and what is ignored is named', async () => {
    const masterKey = `ab_${'x'.repeat(20)}YZ0123456789_-abcdefghij`;
    const metricsPort = String(await findFreePort());
    const data = join(clone, '.auditbox', 'elsewhere');
    const env = { AUDIT_MASTER_KEY: masterKey, METRICS_PORT: metricsPort, S3_BUCKET: 'mine', AWS_PROFILE: 'p' };
    const app = npmStart({ ...env, DATABASE_URL: 'postgres://x@127.0.0.1:1/x' }, {}, ['--data', data, '--demo']);
    await eventually(() => expect(app.output()).toContain('Ctrl-C stops everything'));
    const api = / {2}api +(\S+)/.exec(app.output())?.[1] ?? '';
    expect(app.output()).toContain('its own database and store: AWS_PROFILE, DATABASE_URL, S3_BUCKET.');
    expect(app.output()).toContain('master-key-on');
    expect((await call(api, masterKey, '/audit')).body.total).toBeGreaterThan(100);
    expect((await fetch(`http://127.0.0.1:${metricsPort}/livez`)).status).toBe(200);
    // Another user of the machine can read no key and no row.
    const open = execFileSync('find', [data, '-mindepth', '1', '-perm', '/077'], { encoding: 'utf8' });
    expect(open).toBe('');
    app.signal('SIGTERM');
    expect(await app.ended).toBe(0);

    const again = npmStart({ AUDIT_MASTER_KEY: masterKey }, {}, ['--data', data, '--reset']);
    await eventually(() => expect(again.output()).toContain('Ctrl-C stops everything'));
    const address = / {2}api +(\S+)/.exec(again.output())?.[1] ?? '';
    expect((await call(address, masterKey, '/audit')).body.total).toBe(0);
    again.signal('SIGTERM');
    expect(await again.ended).toBe(0);
  });

  test('--json prints the addresses as one object, and the logs to standard error', async () => {
    const child = spawn('npm', ['--silent', 'start', '--', '--json'], {
      cwd: clone,
      env: { PATH: process.env.PATH, HOME: clone, NODE_COMPILE_CACHE: join(clone, 'compiled') },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stderr.resume();
    const ended = once(child, 'close');
    let output = '';
    child.stdout.on('data', (text) => (output += text));
    await eventually(() => expect(output).toMatch(/\n$/));
    const { api, keyFile, page } = JSON.parse(output);
    expect(page).toBe(`${api}/ui`);
    expect((await call(api, readFileSync(keyFile, 'utf8').trim(), '/audit')).status).toBe(200);
    child.kill('SIGTERM');
    await ended;
    expect(JSON.parse(output)).toMatchObject({ api });
  });

  test('wrong settings of both processes are named together before anything is started, or deleted by --reset', async () => {
    for (const args of [[], ['--reset']]) {
      if (args.length > 0) await leaveData();
      const env = { EXPORT_PARTITION: 'week', HTTP_MAX_CONNECTIONS: 'many', AUDIT_MASTER_KEY: 'short' };
      const app = npmStart(env, {}, args);
      expect(await app.ended).toBe(1);
      for (const name of ['EXPORT_PARTITION', 'HTTP_MAX_CONNECTIONS', 'AUDIT_MASTER_KEY'])
        expect(app.output()).toMatch(new RegExp(`│ +${name}`));
      expect(app.output()).not.toContain('Starting Postgres');
      expect(app.output()).not.toContain('Everything has stopped');
    }
    await expectData();
  });

  test('a child that keeps ending stops the whole stack, which prints its last lines and exits with 1', async () => {
    await mkdir(join(clone, '.auditbox'));
    // The store wants a folder there.
    await writeFile(join(clone, '.auditbox/s3'), '');
    const app = npmStart();
    expect(await app.ended).toBe(1);
    expect(app.output()).toMatch(/s3 keeps ending \(exit code 1\)\. Its last lines:.*Everything has stopped\./s);
  });

  test('a folder with quotes and blanks in its name works, and the printed command too', async () => {
    const data = join(clone, '.auditbox', "o'brien and $co");
    const app = npmStart({}, {}, ['--data', data]);
    await eventually(() => expect(app.output()).toContain('Ctrl-C stops everything'));
    const [get = ''] = app.output().match(/^ {2}curl -sS "http.*$/m) ?? [];
    expect(JSON.parse(execFileSync('sh', ['-c', get], { encoding: 'utf8' }))).toMatchObject({ audit_logs: [] });
    const [list = ''] = app.output().match(/^ {2}AUDITBOX_DATA=.* npm run keys -- list$/m) ?? [];
    const env = { PATH: process.env.PATH, HOME: clone };
    execFileSync('sh', ['-c', `${list} --json`], { cwd: clone, env, encoding: 'utf8' });
    const { EXPORT_LOG_KEY_FILE } = parseEnv(readFileSync(join(data, 'env'), 'utf8'));
    expect(EXPORT_LOG_KEY_FILE).toBe(join(data, 'log-key.pem'));
    app.signal('SIGTERM');
    expect(await app.ended).toBe(0);
  });

  test.each(['SIGKILL', 'SIGHUP'] as const)('a stack that receives %s leaves no process behind', async (signal) => {
    const { app } = await running(npmStart());
    process.kill(supervisor(), signal);
    await app.ended;
    await eventually(() => expect(stackPids()).toEqual([]));
  });

  test('a killed npm leaves no process behind', async () => {
    const { app } = await running(npmStart());
    app.signal('SIGKILL');
    await app.ended;
    await eventually(() => expect(stackPids()).toEqual([]));
  });

  test.each([/Starting Postgres/, /"event":"api-listening"/])(
    'Ctrl-C during the start, at %s, leaves no process behind',
    async (moment) => {
      const app = npmStart();
      await eventually(() => expect(app.output()).toMatch(moment));
      app.signal('SIGINT');
      await app.ended;
      expect(app.output()).toContain('Everything has stopped.');
      await eventually(() => expect(stackPids()).toEqual([]));
    },
  );

  test('a wrong port is refused at once', async () => {
    const app = npmStart({ PORT: 'http' });
    expect(await app.ended).toBe(1);
    expect(app.output()).toContain('PORT is "http"; it must be a whole number from 0 to 65535.');
  });
});

/* In order: the last tests stop the stack, and look at what is left. */
describe('a stack that starts where a process id was left, while its preferred port is in use', () => {
  const other = createServer();
  let stack: Started;
  beforeAll(async () => {
    await mkdir(join(clone, '.auditbox'));
    await writeFile(join(clone, '.auditbox/pid'), String(process.pid));
    await once(other.listen(4_000, '127.0.0.1'), 'listening').catch(() => {});
    stack = await running(npmStart());
  });
  afterAll(async () => {
    other.close();
    await cleanUp();
  });

  test('a process id of an earlier start, now used by another program, does not prevent a start', () => {
    expect(supervisor()).not.toBe(process.pid);
  });

  test('another port is used when the preferred port is in use', async () => {
    const { api, key } = stack;
    expect(api).not.toContain(':4000');
    expect((await call(api, key, '/audit')).status).toBe(200);
  });

  test('everything listens on loopback only', async () => {
    const pids = stackPids();
    const listening = execFileSync('ss', ['-Hltnp'], { encoding: 'utf8' }).split('\n');
    const lines = listening.filter((line) => pids.some((pid) => line.includes(`pid=${pid},`)));
    expect(lines).toHaveLength(4);
    for (const line of lines) expect(line).toMatch(/ 127\.0\.0\.1:\d+ /);
  });

  test('a second start in the same folder is refused and does not disturb the first', async () => {
    const { api, key } = stack;
    const second = npmStart();
    expect(await second.ended).toBe(1);
    expect(second.output()).toContain(
      `Auditbox already runs in this folder (process ${supervisor()}). It answers at ${api}.`,
    );
    expect(second.output()).not.toContain('Everything has stopped');
    expect((await call(api, key, '/audit')).status).toBe(200);
  });

  test('a table that a service makes without a schema is in the schema public', async () => {
    const { DATABASE_URL = '' } = parseEnv(readFileSync(join(clone, '.auditbox/env'), 'utf8'));
    const psql = (text: string) => execFileSync('psql', [DATABASE_URL, '-Atqc', text], { encoding: 'utf8' });
    psql('create table invoices (id int)');
    expect(psql("select schemaname from pg_tables where tablename = 'invoices'")).toBe('public\n');
  });

  test('each child that dies is reported and started again', async () => {
    const { app, api, key } = stack;
    const isReaper = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('reaper.ts');
    for (const pid of stackPids()) if (pid !== supervisor() && !isReaper(pid)) process.kill(pid, 'SIGKILL');
    for (const name of ['postgres', 's3', 'api', 'exporter']) {
      await eventually(() => expect(app.output()).toContain(`${name} ended (SIGKILL). It is started again`));
    }
    const event = anEvent();
    await eventually(async () => expect((await call(api, key, '/audit', event)).status).toBeLessThan(202));
    await exported(api, key, event.id);
  });

  test('while it runs, the other commands work with it without a setting; afterwards they name what is missing', async () => {
    const { app, api, key } = stack;
    const event = anEvent();
    await call(api, key, '/audit', event);
    await exported(api, key, event.id);
    const run = async (...args: string[]) => {
      const command = spawnProgram('npm', ['run', '--silent', ...args], {
        cwd: clone,
        env: { HOME: clone, LOG_LEVEL: 'fatal' },
      });
      return { code: await command.ended, output: command.output() };
    };
    const status = await run('status');
    expect({ code: status.code, output: status.output }).toEqual({
      code: 0,
      output: expect.stringContaining('s3: every event is there.'),
    });
    expect(await run('keys', '--', 'create', '--name', 'siem', '--scope', 'read')).toMatchObject({ code: 0 });
    const check = await run('exporter', '--', '--check');
    expect(check.output).toContain('pass     create:');
    expect((await run('doctor')).output).toContain('Every destination has every event.');
    expect(await run('exporter', '--', '--replay-failed')).toMatchObject({ code: 0 });
    app.signal('SIGTERM');
    expect(await app.ended).toBe(0);
    const stopped = await run('status');
    expect(stopped.output).toContain(`The Auditbox of ${clone}/.auditbox does not run. Start it with \`npm start\``);
    expect(stopped.output).toContain('DATABASE_URL is not set');
  });

  test('data of another major version of Postgres is named, with what to do', async () => {
    await writeFile(join(clone, '.auditbox/postgres/PG_VERSION'), '17\n');
    const second = npmStart();
    expect(await second.ended).toBe(1);
    expect(second.output()).toMatch(/postgres was made by Postgres 17, and this version of Auditbox has Postgres 18\./);
    expect(second.output()).not.toContain('keeps ending');
  });
});
