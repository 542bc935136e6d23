import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { PostgresRunner } from './runner.ts';

/** The superuser and the database of an embedded cluster. */
const user = 'auditbox';
const database = 'postgres';

/** An embedded Postgres cluster: its files, its port and the password of its superuser. */
export interface Cluster {
  readonly folder: string;
  readonly port: number;
  readonly password: string;
}

export function clusterUrl({ port, password }: Cluster, name = database): string {
  return `postgres://${user}:${password}@127.0.0.1:${port}/${name}`;
}

/** Creates the cluster's files unless they exist. Incomplete files of an interrupted start are replaced. */
export async function initCluster(
  runner: PostgresRunner,
  { folder, password }: Cluster,
  signal: AbortSignal,
): Promise<void> {
  if (existsSync(folder) && !existsSync(`${folder}.making`)) {
    const { uid } = await stat(folder);
    if (uid === runner.uid) return requireVersion(runner, folder);
    throw new Error(
      `${folder} belongs to another user (${uid}, not ${runner.uid}), because it was created by that user. Start as that user, or delete the folder.`,
    );
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

/** Postgres cannot read the files of another major version. */
async function requireVersion(runner: PostgresRunner, folder: string): Promise<void> {
  const made = (await readFile(join(folder, 'PG_VERSION'), 'utf8').catch(() => '')).trim();
  const { file, args } = runner.commandOf('postgres', ['--version']);
  const printed = execFileSync(file, args, { ...runner.spawnOptions, cwd: '/', encoding: 'utf8' });
  const [, current] = / (\d+)(?:\.|$)/m.exec(printed) ?? [];
  if (made === '' || current === undefined || made === current) return;
  throw new Error(
    `${folder} was made by Postgres ${made}, and this version of Auditbox has Postgres ${current}. Start with the version that made it, or delete the data with --reset.`,
  );
}

/** The command line of a server that listens on loopback only. `settings` are settings of Postgres, as `name=value`. */
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
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? resolve() : reject(new Error(`initdb failed (${code}): ${output}`))));
  });
}
