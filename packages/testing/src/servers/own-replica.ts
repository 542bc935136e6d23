import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, chmod, chown, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
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
  readonly folder: string;
  /** Makes it a primary. Resolves when it takes writes. */
  promote(): Promise<void>;
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
  const cluster = { folder: join(folder, 'postgres'), port: await findFreePort(), password: '' };
  await copyCluster(primary, cluster.folder);
  // A standby refuses to start with fewer connections than its primary, and either may become the other.
  const { file, args } = serverCommand(runner, cluster, [...primary.settings, 'hot_standby=on']);
  const server = spawn(file, args, { ...runner.spawnOptions, cwd: '/', stdio: 'ignore' });
  const url = new URL(primary.url);
  url.port = String(cluster.port);
  const sql = postgres(url.href, { max: 1, onnotice: () => {} });
  await eventually(() => sql`select 1`);
  return {
    url: url.href,
    folder,
    promote: () => promote(url.href),
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

/** What a cluster can be copied from. */
type Source = Pick<OwnPostgres, 'url' | 'folder'>;

/** Makes a killed server a standby of `primary` again, from a fresh copy. Resolves when it answers. */
export async function rejoinAsReplica(killed: OwnPostgres, primary: Source): Promise<void> {
  const folder = join(killed.folder, 'postgres');
  await rm(folder, { recursive: true, force: true });
  await copyCluster(primary, folder);
  await killed.start();
}

/** From now on a commit is acknowledged only when the standby has it. Resolves when the standby has caught up. */
export async function waitForStandbyInCommits(primaryUrl: string): Promise<void> {
  const sql = postgres(primaryUrl, { max: 1, onnotice: () => {} });
  try {
    await sql`alter system set synchronous_standby_names = '*'`;
    await sql`select pg_reload_conf()`;
    await eventually(async () => {
      const rows = await sql`select from pg_stat_replication where sync_state = 'sync' and state = 'streaming'`;
      if (rows.length === 0) throw new Error('The standby is not in sync.');
    });
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Makes a standby a primary. Resolves when it takes writes. */
export async function promote(url: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    await sql`select pg_promote(true, 60)`;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Copies a running cluster. The copy starts as its standby. */
async function copyCluster(source: Source, to: string): Promise<void> {
  // Postgres requires that one session begins and ends a backup.
  const session = postgres(source.url, { max: 1, onnotice: () => {} });
  await session`select pg_backup_start('replica', true)`;
  await promisify(execFile)('cp', ['-a', join(source.folder, 'postgres'), to]);
  const [stopped] = await session<[{ labelfile: string }]>`select labelfile from pg_backup_stop(false)`;
  await session.end();
  const { uid, gid } = await stat(join(to, 'PG_VERSION'));
  for (const [name, text] of [
    ['backup_label', stopped.labelfile],
    ['standby.signal', ''],
  ] as const) {
    await writeFile(join(to, name), text);
    await chown(join(to, name), uid, gid);
  }
  const { port, username, password } = new URL(source.url);
  const from = `host=127.0.0.1 port=${port} user=${username} password=${password}`;
  await appendFile(join(to, 'postgresql.auto.conf'), `primary_conninfo = '${from}'\n`);
  await rm(join(to, 'postmaster.pid'), { force: true });
}
