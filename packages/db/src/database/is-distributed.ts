import type { Database } from './connect.ts';

const rememberMs = 60_000;

const known = new WeakMap<Database, { readonly at: number; readonly answer: Promise<boolean> }>();

/**
 * Whether the schema is distributed over the nodes of a Citus cluster. Remembered for a minute, because a schema may be
 * distributed while processes run.
 */
export function isDistributed(db: Database): Promise<boolean> {
  const remembered = known.get(db);
  if (remembered && performance.now() - remembered.at < rememberMs) return remembered.answer;
  const answer = readDistribution(db);
  known.set(db, { at: performance.now(), answer });
  // A failed reading is not remembered.
  answer.catch(() => known.delete(db));
  return answer;
}

/**
 * Caller: the sealer and feeds, once a minute.
 * Locks: none.
 * Crash: nothing is written.
 */
async function readDistribution(db: Database): Promise<boolean> {
  if (!(await hasCitus(db))) return false;
  const tables = await db.query(
    (sql) => sql`select 1 from pg_catalog.pg_dist_partition where logicalrelid = 'auditbox.outbox'::regclass`,
  );
  return tables.length > 0;
}

/**
 * Whether the database has the extension Citus.
 *
 * Caller: `isDistributed`, and the commands and checks of capture.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function hasCitus(db: Database): Promise<boolean> {
  const [row] = await db.query(
    (sql) => sql<[{ found: boolean }]>`select to_regclass('pg_catalog.pg_dist_partition') is not null as found`,
  );
  return row.found;
}
