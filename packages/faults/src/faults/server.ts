import { setTimeout as sleep } from 'node:timers/promises';
import {
  promote,
  rejoinAsReplica,
  startOwnReplica,
  waitForStandbyInCommits,
} from '@auditbox/testing/servers/own-replica.ts';
import { setServerClock } from '@auditbox/testing/servers/server-clock.ts';
import type { Scene } from '../scene/scene.ts';
import type { Fault } from './fault.ts';

const portOf = (url: string) => Number(new URL(url).port);

/** Commits wait for the standby. Without that, a failover loses what the standby does not have, whatever we do. */
const failover: Fault = {
  name: 'postgres-failover',
  about: 'Postgres killed, failover to a standby that is still read-only, then back to a standby on the first server',
  alone: true,
  share: 0.2,
  async strike({ scene: { postgres: first, line }, writer, random }) {
    const second = await startOwnReplica(first);
    try {
      await waitForStandbyInCommits(first.url);
      await writer.acknowledged(random.between(1, 20));
      await first.kill();
      line.leadTo(portOf(second.url));
      await sleep(random.between(0, 1_000));
      await second.promote();
      await writer.acknowledged(random.between(5, 20));
      await rejoinAsReplica(first, second);
      await waitForStandbyInCommits(second.url);
      await writer.acknowledged(random.between(1, 20));
    } finally {
      await second.close();
      line.leadTo(portOf(first.url));
    }
    await sleep(random.between(0, 1_000));
    await promote(first.url);
  },
};

const minuteS = 60;
const hourS = 60 * minuteS;

const clockJumps: Fault = {
  name: 'postgres-clock-jumps',
  about: "the clock of Postgres's machine jumps minutes or hours ahead and comes back",
  needsServerClock: true,
  alone: true,
  share: 0.2,
  async strike({ scene, writer, random, holdMs }) {
    const { folder } = scene.postgres;
    try {
      for (let left = random.between(1, 3); left > 0; left -= 1) {
        // A jump within the lengths of waits and leases is told from them, too.
        await setServerClock(folder, random.pick([random.between(2, 90) * minuteS, random.between(2, 72) * hourS]));
        await writer.acknowledged(random.between(5, 20));
        // Leaves leases and waits that end by the wrong clock.
        if (random.chance(50)) await scene.exporters.killAll();
        await sleep(random.between(0, holdMs));
        await setServerClock(folder, 0);
        await writer.acknowledged(random.between(1, 10));
      }
    } finally {
      await setServerClock(folder, 0);
    }
  },
};

/** Each of them changes what SQL text means, or what a session may do. */
const hostileSettings: readonly (readonly [name: string, value: string])[] = [
  ['DateStyle', 'German, DMY'],
  ['DateStyle', 'SQL, DMY'],
  ['IntervalStyle', 'sql_standard'],
  ['TimeZone', 'Asia/Kathmandu'],
  ['TimeZone', 'America/St_Johns'],
  ['standard_conforming_strings', 'off'],
  ['bytea_output', 'escape'],
  ['extra_float_digits', '-15'],
  ['quote_all_identifiers', 'on'],
  ['array_nulls', 'off'],
  ['row_security', 'off'],
  ['search_path', 'nowhere'],
  ['session_replication_role', 'replica'],
  ['default_transaction_isolation', 'serializable'],
  ['default_transaction_isolation', 'repeatable read'],
  ['default_transaction_read_only', 'on'],
  ['statement_timeout', '2s'],
  ['lock_timeout', '1s'],
  ['idle_in_transaction_session_timeout', '1s'],
  ['transaction_timeout', '2s'],
  ['track_activities', 'off'],
  ['jit_above_cost', '0'],
];

const settingsChanged: Fault = {
  name: 'postgres-settings-changed',
  about: 'settings of server, database and logins changed while everything runs: forms of text, time-outs, read-only',
  alone: true,
  async strike({ scene, writer, random, holdMs }) {
    try {
      for (let left = random.between(3, 8); left > 0; left -= 1) {
        await change(scene, random.pick(['system', 'database', 'role']), random.pick(hostileSettings));
        // Settings of databases and logins count for new sessions.
        if (random.chance(50)) scene.line.reset();
        await sleep(random.between(0, holdMs / 2));
      }
      // Nothing is written to a database that is read-only.
      await changeBack(scene);
      for (const [name, value] of hostileSettings) {
        if (name !== 'default_transaction_read_only' && random.chance(50)) {
          await change(scene, random.pick(['system', 'database', 'role']), [name, value]);
        }
      }
      scene.line.reset();
      await writer.acknowledged(20);
    } finally {
      await changeBack(scene);
    }
  },
};

const logins = ['test_api', 'test_exporter'];

async function change(
  { db, databaseUrl }: Scene,
  level: 'system' | 'database' | 'role',
  [name, value]: readonly [string, string],
): Promise<void> {
  const setting = `set ${name} = '${value}'`;
  if (level === 'database') await db.sql.unsafe(`alter database ${databaseOf(databaseUrl)} ${setting}`);
  else if (level === 'role') for (const login of logins) await db.sql.unsafe(`alter role ${login} ${setting}`);
  else {
    await db.sql.unsafe(`alter system ${setting}`);
    await db.sql`select pg_reload_conf()`;
  }
}

async function changeBack({ db, databaseUrl }: Scene): Promise<void> {
  await db.sql`alter system reset all`;
  await db.sql`select pg_reload_conf()`;
  await eventuallyWritable(() => db.sql.unsafe(`alter database ${databaseOf(databaseUrl)} reset all`));
  for (const login of logins) await db.sql.unsafe(`alter role ${login} reset all`);
}

/** A session reads the new settings with its next statement, a little after the reload. */
async function eventuallyWritable(work: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await work();
      return;
    } catch (error) {
      if ((error as { code?: string }).code !== '25006') throw error;
      await sleep(20);
    }
  }
}

function databaseOf(url: string): string {
  return new URL(url).pathname.slice(1);
}

export const serverFaults: readonly Fault[] = [failover, clockJumps, settingsChanged];
