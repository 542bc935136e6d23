import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { serverCommand } from '@auditbox/embedded/postgres/cluster.ts';
import { createPostgresRunner } from '@auditbox/embedded/postgres/runner.ts';
import { findFreePort } from '@auditbox/embedded/stack/free-port.ts';
import postgres from 'postgres';
import { eventually } from '../expectations/eventually.ts';
import type { OwnPostgres } from './own-postgres.ts';

/** A hot standby that streams from a primary. */
export interface OwnReplica {
  readonly url: string;
  /** Stops the replay until `resume`. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Copies a running primary by Postgres's low-level backup, because the embedded binaries have no pg_basebackup:
 * https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP
 */
export async function startOwnReplica(primary: OwnPostgres): Promise<OwnReplica> {
  const folder = await mkdtemp(join(tmpdir(), 'auditbox-replica-'));
  await chmod(folder, 0o755);
  const runner = await createPostgresRunner(folder);
  const cluster = { folder: join(folder, 'postgres'), port: await findFreePort(0), password: '' };
  const label = await copyCluster(primary, cluster.folder);
  for (const [name, text] of [
    ['backup_label', label],
    ['standby.signal', ''],
  ] as const) {
    await writeFile(join(cluster.folder, name), text);
    await runner.own(join(cluster.folder, name));
  }
  await rm(join(cluster.folder, 'postmaster.pid'), { force: true });
  const from = new URL(primary.url);
  const conninfo = `host=127.0.0.1 port=${from.port} user=${from.username} password=${from.password}`;
  const { file, args } = serverCommand(runner, cluster, [`primary_conninfo=${conninfo}`, 'hot_standby=on']);
  const server = spawn(file, args, { ...runner.spawnOptions, cwd: '/', stdio: 'ignore' });
  const url = new URL(primary.url);
  url.port = String(cluster.port);
  const sql = postgres(url.href, { max: 1, onnotice: () => {} });
  await eventually(() => sql`select 1`);
  return {
    url: url.href,
    async pause() {
      await sql`select pg_wal_replay_pause()`;
      await eventually(async () => {
        const [row] = await sql`select pg_get_wal_replay_pause_state() as state`;
        if (row?.state !== 'paused') throw new Error('The replica still replays.');
      });
    },
    async resume() {
      await sql`select pg_wal_replay_resume()`;
    },
    async close() {
      await sql.end({ timeout: 1 });
      const gone = once(server, 'exit');
      if (server.kill('SIGINT')) await gone;
      await runner.dispose();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function copyCluster(primary: OwnPostgres, to: string): Promise<string> {
  // Postgres requires that one session begins and ends a backup.
  const session = postgres(primary.url, { max: 1, onnotice: () => {} });
  await session`select pg_backup_start('replica', true)`;
  await promisify(execFile)('cp', ['-a', join(primary.folder, 'postgres'), to]);
  const [stopped] = await session<[{ labelfile: string }]>`select labelfile from pg_backup_stop(false)`;
  await session.end();
  return stopped.labelfile;
}
