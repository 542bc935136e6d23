import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { PostgresRunner } from './runner.ts';

/** The superuser and the database of an embedded cluster. */
const user = 'auditbox';
const database = 'postgres';

/** Where an embedded cluster is and how to get in. */
export interface Cluster {
  readonly folder: string;
  readonly port: number;
  readonly password: string;
}

/** The URL of a database in the cluster. */
export function clusterUrl({ port, password }: Cluster, name = database): string {
  return `postgres://${user}:${password}@127.0.0.1:${port}/${name}`;
}

/** Makes the cluster's files unless they are there; half-made ones are made anew. */
export async function initCluster(runner: PostgresRunner, { folder, password }: Cluster): Promise<void> {
  if (existsSync(join(folder, 'PG_VERSION')) && !existsSync(`${folder}.making`)) return;
  await mkdir(dirname(folder), { recursive: true });
  await rm(folder, { recursive: true, force: true });
  await writeFile(`${folder}.making`, '');
  await mkdir(folder, { mode: 0o700 });
  await runner.own(folder);
  const passwordFile = join(folder, '..', 'postgres-password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  await runner.own(passwordFile);
  const options = ['--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', '--no-instructions'];
  await runInitdb(runner, [`--pgdata=${folder}`, `--username=${user}`, `--pwfile=${passwordFile}`, ...options]);
  await rm(passwordFile);
  await rm(`${folder}.making`);
}

/** The command line of the server, listening on loopback only. `settings` are Postgres's own, as `name=value`. */
export function serverCommand(runner: PostgresRunner, { folder, port }: Cluster, settings: readonly string[] = []) {
  const all = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'log_line_prefix=%m ',
    'log_checkpoints=off',
    'timezone=UTC',
    ...settings,
  ];
  return runner.commandOf('postgres', ['-D', folder, '-p', String(port), ...all.flatMap((setting) => ['-c', setting])]);
}

/** The process id of a server that runs on these files, left by a start that was killed; or null. */
export async function findRunningServer(folder: string): Promise<number | null> {
  const text = await readFile(join(folder, 'postmaster.pid'), 'utf8').catch(() => '');
  const pid = Number.parseInt(text, 10);
  if (!(pid > 0)) return null;
  try {
    process.kill(pid, 0);
    return pid;
  } catch {
    return null;
  }
}

function runInitdb(runner: PostgresRunner, args: readonly string[]): Promise<void> {
  const command = runner.commandOf('initdb', args);
  const child = spawn(command.file, command.args, {
    ...runner.spawnOptions,
    cwd: '/',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    words += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? resolve() : reject(new Error(`initdb failed (${code}): ${words}`))));
  });
}
