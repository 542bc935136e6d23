import { setTimeout as delay } from 'node:timers/promises';
import type { Sql } from 'postgres';
import { beginTransaction } from '../database/postgres-js.ts';
import { greetAsMigrator, openMigrator } from './migrator.ts';
import { chooseOwner } from './owner.ts';

/** An advisory lock that every migrator of Auditbox takes. The number has no meaning. */
const migrationLock = 7_283_104_911;

/** Migrators that wait for another one look this often. */
const turnEveryMs = 100;

/** After this many looks, and again after as many, a waiting migrator says whom it waits for. */
const looksInSilence = 50;

/** Waits for locks in front of writers are kept this short; `npm run migrate` tries again. */
const lockTimeout = '2s';

/** Runs in a transaction as the schema's owner, while no other migrator works. */
export async function asOwner<T>(sql: Sql, owner: string, work: (tx: Sql) => Promise<T>): Promise<T> {
  return inTurn(sql, async (tx) => {
    await tx`set local role ${tx(owner)}`;
    // From here on somebody may wait behind us.
    await tx`select set_config('lock_timeout', ${lockTimeout}, true)`;
    return work(tx);
  });
}

/**
 * Runs in a transaction while no other migrator works. Waits without a transaction: another migrator that makes an index
 * concurrently waits for every transaction.
 */
export async function inTurn<T>(sql: Sql, work: (tx: Sql) => Promise<T>): Promise<T> {
  for (let looks = 1; ; looks += 1) {
    const turn = await beginTransaction(sql, '', async (tx) => {
      const [row] = await tx<[{ isOurs: boolean }]>`select pg_try_advisory_xact_lock(${migrationLock}) as "isOurs"`;
      return row.isOurs ? { result: await work(tx) } : null;
    });
    if (turn !== null) return turn.result as T;
    await waitForTurn(sql, looks);
  }
}

/** The same outside of a transaction, for what cannot run in one. */
export async function asOwnerWithoutTransaction<T>(
  sql: Sql,
  owner: string,
  work: (sql: Sql) => Promise<T>,
): Promise<T> {
  for (let looks = 1; ; looks += 1) {
    const [row] = await sql<[{ isOurs: boolean }]>`select pg_try_advisory_lock(${migrationLock}) as "isOurs"`;
    if (row.isOurs) break;
    await waitForTurn(sql, looks);
  }
  try {
    await sql`set role ${sql(owner)}`;
    return await work(sql);
  } finally {
    // After a lost connection there is nothing to undo.
    await sql`reset role`.then(() => sql`select pg_advisory_unlock(${migrationLock})`).catch(() => {});
  }
}

/**
 * Any login may take an advisory lock, so the holder may be no migrator, and the wait may have no end.
 *
 * Caller: a migrator that waits.
 * Locks: those of the lock table, for less than a millisecond.
 * Crash: nothing is written.
 */
async function waitForTurn(sql: Sql, looks: number): Promise<void> {
  if (looks % looksInSilence === 0) {
    const holders = await sql<{ pid: number; login: string; application: string }[]>`
      select l.pid, coalesce(a.usename, 'unknown') as login, coalesce(a.application_name, '') as application
      from pg_locks l left join pg_stat_activity a on a.pid = l.pid
      where l.locktype = 'advisory' and l.granted and l.objsubid = 1 and l.pid is not null
        and l.database = (select oid from pg_database where datname = current_database())
        and (l.classid::int8 << 32 | l.objid::int8) = ${migrationLock}`;
    for (const { pid, login, application } of holders)
      process.stderr.write(
        `Waiting for another migrator, or for a session that holds its lock: process ${pid}, login ${login}, application ${JSON.stringify(application)}. If it is not a migrator, end it: \`select pg_terminate_backend(${pid})\`.\n`,
      );
  }
  await delay(turnEveryMs);
}

/** Runs as the schema's owner on a connection without a transaction: `create index concurrently` accepts none. */
export async function asOwnerOutsideTransactions<T>(
  url: string,
  schema: string,
  work: (sql: Sql) => Promise<T>,
): Promise<T> {
  const sql = openMigrator(url, schema);
  try {
    await greetAsMigrator(sql);
    await sql`set role ${sql(await chooseOwner(sql))}`;
    return await work(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}
