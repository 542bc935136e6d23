import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { createExporterFixture, type ExporterFixture } from '@auditbox/testing/fixtures/exporter-fixture.ts';
import { someEvents } from '@auditbox/testing/fixtures/test-events.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

/* A stop that is asked for in the ways in which terminals and supervisors ask is a graceful one. */

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
  const started = await startUpload('timeout', ['--signal=TERM', '6', 'npm', 'run', 'exporter']);
  await expectGracefulEnd(started, 124);
});

test('SIGTERM to npm alone, as a supervisor sends it, finishes the upload', async () => {
  const started = await startUpload('npm', ['run', 'exporter']);
  started.child.kill('SIGTERM');
  await expectGracefulEnd(started, 0);
});
