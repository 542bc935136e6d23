import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '@auditbox/testing/expectations/eventually.ts';
import { fillDisk } from '@auditbox/testing/servers/small-disk.ts';
import postgres, { type Sql } from 'postgres';
import type { Scene } from '../scene/scene.ts';
import type { Writer } from '../scene/writer.ts';
import type { Fault } from './fault.ts';

const stopped: Fault = {
  name: 'postgres-killed',
  about: 'Postgres killed or stopped immediately, then restarted',
  async strike({ scene: { postgres: server }, random }) {
    for (let left = random.between(1, 3); left > 0; left -= 1) {
      await sleep(random.between(0, 500));
      await server.killAndRestart(random.pick(['SIGKILL', 'SIGQUIT']));
    }
  },
};

const backendsTerminated: Fault = {
  name: 'postgres-backends-terminated',
  about: 'every backend terminated twice a second',
  async strike({ scene: { db }, holdMs }) {
    for (let left = holdMs / 500; left > 0; left -= 1) {
      await terminateBackends(db.sql);
      await sleep(500);
    }
  },
};

const outOfConnections: Fault = {
  name: 'postgres-out-of-connections',
  about: 'all connections used by other clients',
  async strike({ scene: { databaseUrl, db }, holdMs }) {
    const others: Sql[] = [];
    try {
      // Repeat until Auditbox has no connection left, because its processes reconnect while we connect.
      do {
        await terminateBackends(db.sql);
        others.push(...(await takeConnections(databaseUrl)));
      } while ((await terminateBackends(db.sql)) > 0);
      await sleep(holdMs);
    } finally {
      await Promise.all(others.map((other) => other.end({ timeout: 1 })));
    }
  },
};

const halfOpen: Fault = {
  name: 'postgres-half-open',
  about: 'connections to Postgres that drop all data, then break or stay silent',
  share: 0.1,
  async strike({ scene: { line }, holdMs, random }) {
    line.swallow(true);
    await sleep(holdMs);
    line.swallow(false);
    if (random.chance(50)) line.reset();
  },
};

const snapshotHeld: Fault = {
  name: 'postgres-snapshot-held',
  about: 'a snapshot stays open',
  share: 0.2,
  strike: async ({ scene, writer, holdMs }) =>
    holding(
      scene.databaseUrl,
      'begin isolation level repeatable read; select count(*) from auditbox.outbox',
      async () => {
        await waitForExport(scene, writer, holdMs);
      },
    ),
};

const writerElsewhere: Fault = {
  name: 'postgres-writer-elsewhere',
  about: 'a writing transaction stays open in another database',
  share: 0.2,
  strike: async ({ scene, writer, holdMs }) =>
    holding(scene.postgres.url, 'begin; select pg_current_xact_id()', async () => {
      await waitForExport(scene, writer, holdMs);
    }),
};

const diskFull: Fault = {
  name: 'postgres-disk-full',
  about: "Postgres's disk is full",
  needsSmallDisk: true,
  share: 0.1,
  async strike({ scene, holdMs }) {
    const free = await fillDisk(scene.postgres.folder);
    await fillTable(scene);
    await sleep(holdMs);
    await free();
    await eventually(() => scene.db.sql`drop table if exists public.ballast`);
  },
};

/** Inserts until Postgres reports a full disk or stops because of it. */
async function fillTable({ db }: Scene): Promise<void> {
  try {
    await db.sql`create table public.ballast as select repeat('x', 1000) as x from generate_series(1, 100000)`;
    for (;;) await db.sql`insert into public.ballast select * from public.ballast`;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code !== '53100' && code !== '57P02' && !code?.startsWith('CONNECTION')) throw error;
  }
}

async function terminateBackends(sql: Scene['db']['sql']): Promise<number> {
  const terminated = await sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where application_name in ('auditbox api', 'auditbox exporter')`;
  return terminated.length;
}

/** Opens connections until the server has none left except those reserved for superusers. */
async function takeConnections(url: string): Promise<Sql[]> {
  const taken: Sql[] = [];
  for (;;) {
    const other = postgres(url, { max: 1, fetch_types: false, onnotice: () => {}, connect_timeout: 5 });
    try {
      await other`select 1`;
      taken.push(other);
    } catch {
      await other.end({ timeout: 1 });
      return taken;
    }
  }
}

async function holding(url: string, statements: string, work: () => Promise<void>): Promise<void> {
  const holder = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} });
  try {
    await holder.unsafe(statements).simple();
    await work();
    await holder.unsafe('commit').simple();
  } finally {
    await holder.end({ timeout: 1 });
  }
}

/** Waits until a batch is exported at the end of the hold time. Without one, the strike does not end and counts as stuck. */
async function waitForExport({ db }: Scene, writer: Writer, holdMs: number): Promise<void> {
  const done = async () => {
    const [row] = await db.sql<{ count: number }[]>`
      select count(*)::int as count from auditbox.delivery where state = 'done'`;
    return row?.count ?? 0;
  };
  await sleep(holdMs);
  const before = await done();
  await writer.acknowledged(1);
  while ((await done()) === before) await sleep(50);
}

export const postgresFaults: readonly Fault[] = [
  stopped,
  backendsTerminated,
  outOfConnections,
  halfOpen,
  snapshotHeld,
  writerElsewhere,
  diskFull,
];
