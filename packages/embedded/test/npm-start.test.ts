import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { eventually } from '@auditbox/testing/eventually.ts';
import { type App, endApps, spawnApp } from '@auditbox/testing/spawn-app.ts';
import { anEvent } from '@auditbox/testing/test-events.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../../..');
let clone: string;
const running: App[] = [];

/** The project's files in a folder of its own, so that its .auditbox is a test's; open to nobody else, like a home. */
beforeEach(async () => {
  clone = await mkdtemp(join(tmpdir(), 'auditbox-clone-'));
  for (const part of ['apps', 'packages', 'drizzle', 'package.json'])
    await cp(join(root, part), join(clone, part), {
      recursive: true,
      filter: (path) => !path.includes('node_modules'),
    });
  await symlinkModules(join(clone, 'node_modules'));
});
afterEach(async () => {
  for (const app of running.splice(0)) {
    app.signal('SIGTERM');
    await app.ended;
  }
  await endApps();
  await rm(clone, { recursive: true, force: true });
});

/** node_modules of the project, but the workspaces of the clone. */
async function symlinkModules(to: string): Promise<void> {
  execFileSync('sh', [
    '-c',
    `mkdir -p "${to}/@auditbox" && for m in "${root}"/node_modules/* "${root}"/node_modules/.bin; do n=$(basename "$m"); [ "$n" = @auditbox ] || ln -s "$m" "${to}/$n"; done`,
  ]);
  for (const name of ['core', 'db', 'process', 'embedded'])
    await symlink(join(clone, 'packages', name), join(to, '@auditbox', name));
}

async function start(): Promise<{ app: App; api: string; key: string; pids: () => number[] }> {
  const app = spawnApp(pathToFileURL(join(clone, 'packages/embedded/src/main.ts')), { EXPORT_LINGER_MS: '100' });
  running.push(app);
  await eventually(() => expect(app.output()).toContain('Ctrl-C stops all'), 50_000);
  const api = / {2}api +(\S+)/.exec(app.output())?.[1] ?? '';
  const key = readFileSync(join(clone, '.auditbox/master-key'), 'utf8').trim();
  return { app, api, key, pids: () => childrenOf(app.pid) };
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
}

const isRunning = (pid: number) =>
  existsSync(`/proc/${pid}`) && !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));

async function call(api: string, key: string, path: string, body?: unknown) {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const response = await fetch(
    `${api}${path}`,
    body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) },
  );
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape
  return { status: response.status, body: (await response.json()) as any };
}

const exported = (api: string, key: string, id: string) =>
  eventually(async () => {
    const { body } = await call(api, key, `/audit/${id}`);
    expect(body.export.state).toBe('done');
    return body.export.object_key as string;
  });

test('a new folder: an event goes in and its object appears; stopped and started again, all is still there', async () => {
  const first = await start();
  expect(first.app.output()).toContain(`${first.key}   (shown once`);
  const event = anEvent({ updated_at: '2026-07-03T11:46:50Z' });
  expect((await call(first.api, first.key, '/audit', event)).status).toBe(201);
  const objectKey = await exported(first.api, first.key, event.id);
  const folder = / {2}objects +(\S+)/.exec(first.app.output())?.[1] ?? '';
  expect(objectKey).toMatch(/^audit_logs\/dt=2026-07-03\/hour=11\//);
  const file = join(folder, `${objectKey}.data`);
  expect(existsSync(file)).toBe(true);
  const pids = first.pids();
  expect(pids).toHaveLength(4);
  first.app.signal('SIGINT');
  expect(await first.app.ended).toBe(0);
  expect(pids.filter(isRunning)).toEqual([]);

  const second = await start();
  expect(second.app.output()).not.toContain(second.key);
  expect((await call(second.api, second.key, `/audit/${event.id}`)).body.export.object_key).toBe(objectKey);
  expect(existsSync(file)).toBe(true);
});

test('everything listens on loopback only', async () => {
  const { pids } = await start();
  const listening = execFileSync('ss', ['-Hltnp'], { encoding: 'utf8' }).split('\n');
  const ours = listening.filter((line) => pids().some((pid) => line.includes(`pid=${pid},`)));
  expect(ours).toHaveLength(4);
  for (const line of ours) expect(line).toMatch(/ 127\.0\.0\.1:\d+ /);
});

test('a port that is taken is not used', async () => {
  const other = createServer().listen(4_000, '127.0.0.1');
  await once(other, 'listening').catch(() => {});
  const { api, key } = await start();
  expect(api).not.toContain(':4000');
  expect((await call(api, key, '/audit')).status).toBe(200);
  other.close();
});

test('a child that dies is reported and started again', async () => {
  const { app, api, key, pids } = await start();
  for (const pid of pids()) process.kill(pid, 'SIGKILL');
  await eventually(() => expect(app.output().match(/starting it again/g)?.length).toBeGreaterThanOrEqual(4));
  const event = anEvent();
  await eventually(async () => expect((await call(api, key, '/audit', event)).status).toBeLessThan(202), 40_000);
  await exported(api, key, event.id);
});

test('a child that cannot live stops the whole with its last words and a non-zero exit', async () => {
  const app = spawnApp(pathToFileURL(join(clone, 'packages/embedded/src/main.ts')), { EXPORT_PARTITION: 'week' });
  expect(await app.ended).toBe(1);
  expect(app.output()).toContain('exporter cannot live (exit code 1). Its last words:');
  expect(app.output()).toMatch(/EXPORT_PARTITION is "week"; it takes hour or day\..*Everything has stopped\./s);
});
