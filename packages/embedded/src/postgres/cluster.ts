import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
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

/** Makes the cluster's files unless they are there; half-made ones are made anew. `signal` breaks it off. */
export async function initCluster(
  runner: PostgresRunner,
  { folder, password }: Cluster,
  signal: AbortSignal,
): Promise<void> {
  if (existsSync(folder) && !existsSync(`${folder}.making`)) {
    const { uid } = await stat(folder);
    if (uid === runner.uid) return;
    throw new Error(`${folder} belongs to another user (${uid}, not ${runner.uid}): it was started as somebody else.`);
  }
  await mkdir(dirname(folder), { recursive: true });
  await rm(folder, { recursive: true, force: true });
  await writeFile(`${folder}.making`, '');
  await mkdir(folder, { mode: 0o700 });
  await runner.own(folder);
  const passwordFile = join(folder, '..', 'postgres-password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  await runner.own(passwordFile);
  const options = ['--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', '--no-instructions'];
  await runInitdb(runner, [`--pgdata=${folder}`, `--username=${user}`, `--pwfile=${passwordFile}`, ...options], signal);
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

function runInitdb(runner: PostgresRunner, args: readonly string[], signal: AbortSignal): Promise<void> {
  const command = runner.commandOf('initdb', args);
  const child = spawn(command.file, command.args, {
    ...runner.spawnOptions,
    cwd: '/',
    signal,
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
