import type { Database } from '../database/connect.ts';
import { hasCitus, isDistributed } from '../database/is-distributed.ts';

/*
 * Citus runs the triggers of a distributed table on the node that has the rows. That node does not have the tables of Auditbox, so each
 * write would fail: `auditbox.capture` refuses it. A table that Citus manages at the coordinator alone is not distributed, and is captured
 * like any other.
 */

/**
 * Captured tables that Citus distributes. They were distributed after their capture, or an older version captured them.
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
