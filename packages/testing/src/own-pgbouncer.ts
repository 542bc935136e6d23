import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';
import { eventually } from './eventually.ts';
import { spawnProgram } from './spawn-app.ts';

/** A PgBouncer in transaction mode before one database, as docs/pgbouncer.ini sets it up. */
export interface OwnPgBouncer {
  /** The URL of one of the file's databases, for processes that prepare no statements. */
  urlOf(name: 'auditbox_api' | 'auditbox_exporter'): string;
  close(): Promise<void>;
}

const documented = new URL('../../../docs/pgbouncer.ini', import.meta.url);

/** Whether the program is there: TEST_PGBOUNCER, or pgbouncer in the PATH. */
export const hasPgBouncer = spawnSync(programName(), ['--version']).status === 0;

/** `poolSize` is how many connections to Postgres each of the file's databases may have. */
export async function startOwnPgBouncer(
  databaseUrl: string,
  { poolSize }: { poolSize: number },
): Promise<OwnPgBouncer> {
  const folder = await mkdtemp(join(tmpdir(), 'auditbox-pgbouncer-'));
  const port = await findFreePort(0);
  const file = join(folder, 'pgbouncer.ini');
  await writeFile(file, configuration(await readFile(documented, 'utf8'), { databaseUrl, port, poolSize }));
  await chmod(folder, 0o755);
  // It refuses to run as root.
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const program = spawnProgram(programName(), [...user, file], { env: {} });
  await eventually(() => once(createConnection(port, '127.0.0.1').end(), 'connect'));
  return {
    urlOf: (name) => `postgres://anybody@127.0.0.1:${port}/${name}?prepare=false`,
    async close() {
      program.signal('SIGKILL');
      await program.ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function programName(): string {
  return process.env.TEST_PGBOUNCER ?? 'pgbouncer';
}

/** The last of two lines counts. Whoever reaches the port may in: the test's Postgres knows one user. */
function configuration(text: string, to: { databaseUrl: string; port: number; poolSize: number }): string {
  const { hostname, port, pathname, username, password } = new URL(to.databaseUrl);
  const server = `host=${hostname} port=${port} dbname=${pathname.slice(1)} user=${username} password=${password}`;
  const own = [
    `listen_port = ${to.port}`,
    'auth_type = any',
    'unix_socket_dir =',
    `default_pool_size = ${to.poolSize}`,
  ];
  return `${text.replaceAll('host=127.0.0.1 port=5432 dbname=auditbox ', `${server} `)}${own.join('\n')}\n`;
}
