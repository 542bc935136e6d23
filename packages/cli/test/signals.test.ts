import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { masterKey } from '@auditbox/testing/fixtures/api-fixture.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { lockAuditLog } from '@auditbox/testing/fixtures/lock-audit-log.ts';
import { anEvent, someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { signalTwice } from '@auditbox/testing/servers/signal-twice.ts';
import { urlAs } from '@auditbox/testing/servers/test-roles.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

/* A stop that is asked for in the ways in which terminals and supervisors ask is a graceful one. */

const program = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const root = fileURLToPath(new URL('../../..', import.meta.url));
let rig: ExporterFixture;
let pids: number[] = [];

beforeEach(async () => {
  rig = await createExporterFixture();
});
afterEach(async () => {
  for (const pid of pids) {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {}
  }
  pids = [];
  await rig.close();
});

/** Starts a program in its own process group, as a shell does, with an upload under way. */
async function startUpload(program: string, args: readonly string[]) {
  const held = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  rig.proxy.intervene = {
    async before({ path }) {
      if (!path.includes('.ndjson.')) return;
      held.resolve();
      await release.promise;
    },
  };
  await rig.db.store(someEvents(3));
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, ...rig.env };
  const child = spawn(program, [...args], { cwd: root, env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  pids.push(child.pid as number);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  const ended = once(child, 'close').then(([code, signal]) => code ?? signal);
  await held.promise;
  return { child, ended, release: release.resolve, output: () => output };
}

async function expectGracefulEnd({ ended, release, output }: Awaited<ReturnType<typeof startUpload>>, code: number) {
  await eventually(() => expect(output()).toContain('"event":"stopping"'));
  release();
  expect(await ended).toBe(code);
  expect(output()).toContain('"event":"exporter-stopped"');
  expect(output()).not.toContain('second-signal');
  expect(await rig.db.states()).toEqual({ done: 3 });
}

test('Ctrl-C reaches the whole process group, and npm forwards it once more: the upload is finished, exit 0', async () => {
  const started = await startUpload('npm', ['run', 'exporter']);
  process.kill(-(started.child.pid as number), 'SIGINT');
  await expectGracefulEnd(started, 0);
});

test('Ctrl-C in a terminal finishes the upload', async () => {
  const started = await startUpload('script', ['-qec', 'exec npm run exporter', '/dev/null']);
  started.child.stdin.write('\x03');
  await expectGracefulEnd(started, 0);
});

test('`timeout` ends it gracefully', async () => {
  const started = await startUpload('timeout', ['--signal=TERM', '600', 'npm', 'run', 'exporter']);
  // The signal of its timer: as if the time were over now, which on a busy machine comes before or long after the upload began.
  started.child.kill('SIGALRM');
  await expectGracefulEnd(started, 124);
});

test('SIGTERM to npm alone, as a supervisor sends it, finishes the upload', async () => {
  const started = await startUpload('npm', ['run', 'exporter']);
  started.child.kill('SIGTERM');
  await expectGracefulEnd(started, 0);
});

test('SIGTERM to the program itself, as systemd and a container send it, finishes the upload', async () => {
  const started = await startUpload(process.execPath, [program, 'exporter']);
  started.child.kill('SIGTERM');
  await expectGracefulEnd(started, 0);
});

test('a terminal that is closed finishes the upload', async () => {
  const started = await startUpload(process.execPath, [program, 'exporter']);
  started.child.kill('SIGHUP');
  await expectGracefulEnd(started, 0);
});

test('SIGTERM twice within a second is one, and finishes the upload', async () => {
  const started = await startUpload(process.execPath, [program, 'exporter']);
  signalTwice(started.child.pid as number, 'SIGTERM');
  await expectGracefulEnd(started, 0);
});

test('a later second SIGTERM ends it at once, and another exporter delivers each event once', async () => {
  const { child, ended, release, output } = await startUpload(process.execPath, [program, 'exporter']);
  const repeat = setInterval(() => child.kill('SIGTERM'), 300);
  expect(await ended).toBe(1);
  clearInterval(repeat);
  expect(output()).toContain('"event":"second-signal"');
  release();
  rig.proxy.intervene = {};
  await rig.endLeases();
  rig.start();
  await eventually(async () => expect(await rig.db.states()).toEqual({ done: 3 }));
  const objects = await rig.bucket.objects();
  expect(objects.flatMap(({ events }) => events)).toHaveLength(3);
});

test.each([
  [
    'Ctrl-C reaches the whole process group',
    'npm',
    ['run', 'api'],
    (pid: number): boolean => process.kill(-pid, 'SIGINT'),
  ],
  [
    'a supervisor sends SIGTERM to npm alone',
    'npm',
    ['run', 'api'],
    (pid: number): boolean => process.kill(pid, 'SIGTERM'),
  ],
] as const)('the api answers its requests before it ends: %s', async (_how, command, args, stop) => {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, LOG_LEVEL: 'info' };
  const settings = { DATABASE_URL: urlAs('api', rig.db.url), PORT: '0', AUDIT_MASTER_KEY: masterKey };
  const child = spawn(command, [...args], { cwd: root, env: { ...env, ...settings }, detached: true });
  pids.push(child.pid as number);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  const ended = once(child, 'close').then(([code, signal]) => code ?? signal);
  await eventually(() => expect(output).toContain('"event":"api-listening"'));
  const [, port] = /"event":"api-listening".*"port":(\d+)/.exec(output) ?? [];
  const unlock = await lockAuditLog(rig.db);
  const answer = fetch(`http://127.0.0.1:${port}/audit`, {
    method: 'POST',
    headers: { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(anEvent()),
  });
  await eventually(async () => {
    const waiting = await rig.db.sql`
      select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    expect(waiting).toHaveLength(1);
  });
  stop(child.pid as number);
  await eventually(() => expect(output).toContain('"event":"stopping"'));
  await unlock();
  expect((await answer).status).toBe(201);
  expect(await ended).toBe(0);
});
