import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectDatabase, type Database } from '@auditbox/db/connect.ts';
import { migrateDatabase } from '@auditbox/db/migrate.ts';
import { clusterUrl, initCluster } from '@auditbox/embedded/postgres/cluster.ts';
import { createPostgresRunner } from '@auditbox/embedded/postgres/runner.ts';
import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';
import { postgresService } from '@auditbox/embedded/stack/services.ts';
import { supervise } from '@auditbox/embedded/stack/supervise.ts';
import { eventually } from './eventually.ts';

/** A Postgres server of a test's own, to be killed. */
export interface OwnPostgres {
  readonly url: string;
  readonly sql: Database['sql'];
  /** SIGKILL to the server process: what is not on disk is gone. It comes back by itself. */
  killAndRestart(): Promise<void>;
  close(): Promise<void>;
}

export async function startOwnPostgres(): Promise<OwnPostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'auditbox-own-'));
  await chmod(folder, 0o755);
  const runner = await createPostgresRunner(folder);
  const password = randomBytes(12).toString('hex');
  const cluster = { folder: join(folder, 'postgres'), port: await findFreePort(0), password };
  await initCluster(runner, cluster, new AbortController().signal);
  const nothing = { port: 0, folder: '', bucket: '' };
  const plan = { cluster, s3: nothing, apiPort: 0, exporterPort: 0, masterKey: '', environment: {} };
  let pid = 0;
  const service = supervise(postgresService(runner, plan), {
    reaper: {
      started(started) {
        pid = started;
      },
      ended() {},
    },
    line: () => {},
    restarting: () => {},
    gaveUp: () => {},
  });
  await service.ready;
  const url = clusterUrl(cluster);
  await eventually(() => migrateDatabase(url));
  const db = connectDatabase({ url, application: 'test', maxConnections: 3, statementTimeoutMs: 20_000 });
  return {
    url,
    sql: db.sql,
    async killAndRestart() {
      const before = pid;
      process.kill(before, 'SIGKILL');
      await eventually(async () => {
        if (pid === before) throw new Error('not restarted yet');
        await db.sql`select 1`;
      });
    },
    async close() {
      await db.close(1_000);
      await service.stop(10_000);
      await runner.dispose();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
