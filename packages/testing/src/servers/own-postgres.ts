import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { migrateDatabase } from '@auditbox/db/migrate/migrate.ts';
import { clusterUrl, initCluster, serverCommand } from '@auditbox/embedded/postgres/cluster.ts';
import { createPostgresRunner } from '@auditbox/embedded/postgres/runner.ts';
import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';
import { eventually } from '../expectations/eventually.ts';

/** The Postgres server of one test, which may kill it. */
export interface OwnPostgres {
  /** The URL of a migrated database. */
  readonly url: string;
  readonly sql: Database['sql'];
  /** The server's first process, the parent of all others. */
  readonly pid: number;
  readonly folder: string;
  /** Settings of Postgres that differ from the defaults. */
  readonly settings: readonly string[];
  /**
   * Ends the server process and starts it again. Resolves when the server answers. SIGQUIT is Postgres's "immediate" stop.
   */
  killAndRestart(signal?: 'SIGKILL' | 'SIGQUIT'): Promise<void>;
  /** Kills the server and keeps it down until `start`. */
  kill(): Promise<void>;
  /** Starts the killed server. Resolves when it answers. */
  start(): Promise<void>;
  close(): Promise<void>;
}

export interface OwnPostgresOptions {
  /** The folder for the server's files. Other users must be able to enter it. */
  readonly parent?: string;
  /** Settings of Postgres, as `name=value`. */
  readonly settings?: readonly string[];
  /** Additional environment variables of the server, by its folder. */
  readonly environment?: (folder: string) => Readonly<Record<string, string>>;
}

/** The server is started again whenever it ends, until `close`. */
export async function startOwnPostgres({
  parent = tmpdir(),
  settings = [],
  environment = () => ({}),
}: OwnPostgresOptions = {}): Promise<OwnPostgres> {
  const folder = await mkdtemp(join(parent, 'auditbox-own-'));
  await chmod(folder, 0o755);
  const runner = await createPostgresRunner(folder);
  const password = randomBytes(12).toString('hex');
  const cluster = { folder: join(folder, 'postgres'), port: await findFreePort(), password };
  await initCluster(runner, cluster, new AbortController().signal);
  const { file, args } = serverCommand(runner, cluster, settings);
  let server: ChildProcess;
  let isDown = false;

  function start(): void {
    server = spawn(file, args, {
      ...runner.spawnOptions,
      cwd: '/',
      stdio: 'ignore',
      env: { ...process.env, ...environment(folder) },
    });
    // A new server refuses to start while backends of the killed server still run, so try again.
    server.once('exit', () => setTimeout(() => isDown || start(), 50));
  }

  /** A server on a full disk may have ended by itself. */
  async function end(signal: NodeJS.Signals): Promise<void> {
    const gone = once(server, 'exit');
    if (server.kill(signal)) await gone;
  }

  start();
  const url = clusterUrl(cluster);
  await eventually(() => migrateDatabase(url));
  const db = connectDatabase({ url, application: 'test', maxConnections: 3, statementTimeoutMs: 20_000 });
  const answers = () => eventually(() => db.sql`select 1`);
  return {
    url,
    sql: db.sql,
    get pid() {
      return server.pid as number;
    },
    folder,
    settings,
    async killAndRestart(signal = 'SIGKILL') {
      await end(signal);
      await answers();
    },
    async kill() {
      isDown = true;
      await end('SIGKILL');
    },
    async start() {
      isDown = false;
      start();
      await answers();
    },
    async close() {
      await db.close(1_000);
      isDown = true;
      await end('SIGINT');
      await runner.dispose();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
