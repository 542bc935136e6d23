import type { Database } from '../database/connect.ts';

/** A subtree of the log with 2^level leaves, the `index`th of that size. */
interface LogNode {
  readonly level: number;
  readonly index: number;
}

/**
 * The hashes of subtrees, in their order, as 64 hexadecimal digits. Throws when the log does not have one of them.
 *
 * Caller: the exporter, for tiles; the api, for proofs.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function readLogNodes(db: Database, destination: string, nodes: readonly LogNode[]): Promise<string[]> {
  if (nodes.length === 0) return [];
  // The row of a subtree's last leaf has its hash.
  const asked = nodes.map(({ level, index }, n) => ({ n, level, leaf: (index + 1) * 2 ** level - 1 }));
  const rows = await db.query(
    (sql) => sql<{ hash: string }[]>`
      select substr(e.hashes, 1 + 64 * asked.level, 64) as hash
      from json_to_recordset(${JSON.stringify(asked)}::text::json) as asked (n int, level int, leaf bigint)
      join auditbox.log_entry e on e.destination = ${destination} and e.index = asked.leaf
      order by asked.n`,
  );
  if (rows.length !== nodes.length) throw new Error(`The log of ${destination} lacks entries.`);
  return rows.map(({ hash }) => hash);
}

/**
 * The keys of entries whose batch the database does not know, because it was restored from a backup. Without the prefix.
 *
 * Caller: `--verify` and `--reconcile`, to find objects that nothing knows.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listOrphanKeys(db: Database, destination: string): Promise<ReadonlySet<string>> {
  const rows = await db.query(
    (sql) => sql<{ key: string }[]>`
      select substring(entry from e'\\nkey ([^\\n]+)\\n') as key from auditbox.log_entry
      where destination = ${destination} and batch_id is null`,
  );
  return new Set(rows.map(({ key }) => key));
}

/**
 * The texts of `count` entries from an index on.
 *
 * Caller: the exporter, for bundles.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function readLogEntries(
  db: Database,
  destination: string,
  { from, count }: { from: number; count: number },
): Promise<string[]> {
  const rows = await db.query(
    (sql) => sql<{ entry: string }[]>`
      select entry from auditbox.log_entry
      where destination = ${destination} and index >= ${from} and index < ${from + count}
      order by index`,
  );
  return rows.map(({ entry }) => entry);
}
