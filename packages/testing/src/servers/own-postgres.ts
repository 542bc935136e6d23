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

/** A Postgres server of a test's own, to be killed. */
export interface OwnPostgres {
  /** Of a migrated database. */
  readonly url: string;
  readonly sql: Database['sql'];
  /** Of the server's first process, the parent of all others. */
  readonly pid: number;
  /** Where all of it is. */
  readonly folder: string;
  /**
   * Ends the server process and starts it again; resolves when it answers. SIGKILL: what is not on disk is gone.
   * SIGQUIT: Postgres's own "immediate" stop.
   */
  killAndRestart(signal?: 'SIGKILL' | 'SIGQUIT'): Promise<void>;
  close(): Promise<void>;
}

export interface OwnPostgresOptions {
  /** Where its folder is made; a folder that other users may enter. */
  readonly parent?: string;
  /** Postgres's own settings, as `name=value`. */
  readonly settings?: readonly string[];
}

/** Whatever ends the server, it is started again until `close`. */
export async function startOwnPostgres({
  parent = tmpdir(),
  settings = [],
}: OwnPostgresOptions = {}): Promise<OwnPostgres> {
  const folder = await mkdtemp(join(parent, 'auditbox-own-'));
  await chmod(folder, 0o755);
  const runner = await createPostgresRunner(folder);
  const password = randomBytes(12).toString('hex');
  const cluster = { folder: join(folder, 'postgres'), port: await findFreePort(0), password };
  await initCluster(runner, cluster, new AbortController().signal);
  const { file, args } = serverCommand(runner, cluster, settings);
  let server: ChildProcess;
  let closing = false;

  function start(): void {
    server = spawn(file, args, { ...runner.spawnOptions, cwd: '/', stdio: 'ignore' });
    // While backends of a killed server still end, the next one refuses to start.
    server.once('exit', () => closing || setTimeout(start, 50));
  }

  start();
  const url = clusterUrl(cluster);
  await eventually(() => migrateDatabase(url));
  const db = connectDatabase({ url, application: 'test', maxConnections: 3, statementTimeoutMs: 20_000 });
  return {
    url,
    sql: db.sql,
    get pid() {
      return server.pid as number;
    },
    folder,
    async killAndRestart(signal = 'SIGKILL') {
      const gone = once(server, 'exit');
      server.kill(signal);
      await gone;
      await eventually(() => db.sql`select 1`);
    },
    async close() {
      await db.close(1_000);
      closing = true;
      const gone = once(server, 'exit');
      if (server.kill('SIGINT')) await gone;
      await runner.dispose();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
