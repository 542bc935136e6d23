import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';
import { eventually } from '../expectations/eventually.ts';
import { type App, spawnProgram } from './spawn-app.ts';

/** A PgBouncer in transaction mode in front of one database, configured by docs/pgbouncer.ini. */
export interface OwnPgBouncer {
  /** The URL of a database in the file. It turns prepared statements off. */
  urlOf(name: 'auditbox_api' | 'auditbox_exporter'): string;
  close(): Promise<void>;
}

const documented = new URL('../../../../docs/pgbouncer.ini', import.meta.url);

/** Whether the program is installed: TEST_PGBOUNCER, or pgbouncer in the PATH. */
export const hasPgBouncer = spawnSync(programName(), ['--version']).status === 0;

/** `poolSize` limits the connections to Postgres for each database in the file. */
export async function startOwnPgBouncer(
  databaseUrl: string,
  { poolSize }: { poolSize: number },
): Promise<OwnPgBouncer> {
  const folder = await mkdtemp(join(tmpdir(), 'auditbox-pgbouncer-'));
  await chmod(folder, 0o755);
  const text = await readFile(documented, 'utf8');
  const file = join(folder, 'pgbouncer.ini');
  // PgBouncer refuses to run as root.
  const args = process.getuid?.() === 0 ? ['-u', 'nobody', file] : [file];
  for (let triesLeft = 5; ; triesLeft -= 1) {
    const port = await findFreePort();
    await writeFile(file, configuration(text, { databaseUrl, port, poolSize }));
    const program = spawnProgram(programName(), args, { env: {} });
    const isUp = await Promise.race([eventually(() => reach(port)).then(() => true), program.ended.then(() => false)]);
    if (isUp) return handleOf(program, port, folder);
    // Another process may have taken the port in the meantime.
    if (triesLeft === 0) throw new Error(`PgBouncer does not start:\n${program.output()}`);
  }
}

function handleOf(program: App, port: number, folder: string): OwnPgBouncer {
  return {
    urlOf: (name) => `postgres://anybody@127.0.0.1:${port}/${name}?prepare=false`,
    async close() {
      program.signal('SIGKILL');
      await program.ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function reach(port: number): Promise<void> {
  const socket = createConnection(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.destroy();
}

function programName(): string {
  return process.env.TEST_PGBOUNCER ?? 'pgbouncer';
}

/** A later line overrides an earlier one. Any user may connect, because the test's Postgres has only one user. */
function configuration(text: string, to: { databaseUrl: string; port: number; poolSize: number }): string {
  const { hostname, port, pathname, username, password } = new URL(to.databaseUrl);
  const server = `host=${hostname} port=${port} dbname=${pathname.slice(1)} user=${username} password=${password}`;
  const own = [
    `listen_port = ${to.port}`,
    'auth_type = any',
    'unix_socket_dir =',
    `default_pool_size = ${to.poolSize}`,
  ];
  return `${text.replaceAll('host=127.0.0.1 port=5432 dbname=auditbox', server)}${own.join('\n')}\n`;
}
