import type { Database } from '../database/connect.ts';
import { hasCitus, isDistributed } from '../database/is-distributed.ts';

/*
 * Citus runs the triggers of a distributed table on the node that has the rows. That node does not have the tables of Auditbox, so each
 * write would fail. A table that Citus manages at the coordinator alone is not distributed, and is captured like any other.
 */

/** A table cannot be captured. The message is for a person. */
export class CaptureRefusedError extends Error {
  override readonly name = 'CaptureRefusedError';
  readonly code = 'CAPTURE_REFUSED';
}

const instead = 'Let the application write the events of the table: POST /audit, or an INSERT into audit_log.';

/** Throws CaptureRefusedError before anything is changed, if changes of the table could not be recorded because of Citus. */
export async function requireCapturable(db: Database, table: string): Promise<void> {
  if (await isDistributed(db))
    throw new CaptureRefusedError(
      `${table} cannot be captured: Citus distributes the schema of Auditbox, and capture does not work there. ${instead} Or use an Auditbox in a database or a schema that is not distributed.`,
    );
  if ((await hasCitus(db)) && (await isTableDistributed(db, table)))
    throw new CaptureRefusedError(
      `${table} cannot be captured: Citus distributes it, and its triggers would make each write fail. ${instead}`,
    );
}

/**
 * Caller: `npm run capture -- add`, where there is Citus.
 * Locks: none.
 * Crash: nothing is written.
 */
async function isTableDistributed(db: Database, table: string): Promise<boolean> {
  const rows = await db.query(
    // Tables that only the coordinator has are in no group of colocated tables.
    (sql) => sql`
      select 1 from pg_catalog.pg_dist_partition where logicalrelid = ${table}::text::regclass and colocationid <> 0`,
  );
  return rows.length > 0;
}

/**
 * Captured tables that Citus distributes. They were captured by SQL, or distributed afterwards.
 *
 * Caller: the doctor, and `npm run capture -- check`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listDistributedCaptures(db: Database): Promise<readonly string[]> {
  // Then no table is captured, and the list of captured tables is at another node than the catalogue.
  if (!(await hasCitus(db)) || (await isDistributed(db))) return [];
  const rows = await db.query(
    (sql) => sql<{ table: string }[]>`
      select format('%I.%I', t.schema_name, t.table_name) as table
      from auditbox.captured_table t
      join pg_namespace n on n.nspname = t.schema_name
      join pg_class c on c.relnamespace = n.oid and c.relname = t.table_name
      join pg_catalog.pg_dist_partition p on p.logicalrelid = c.oid and p.colocationid <> 0
      order by 1`,
  );
  return rows.map(({ table }) => table);
}
