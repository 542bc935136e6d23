import type { Database } from '../database/connect.ts';

/** An object of the bucket, read whole. */
export interface FoundObject {
  readonly key: string;
  /** From its key. */
  readonly batchId: string;
  readonly partition: string;
  /** The ids of its events. */
  readonly ids: readonly string[];
  readonly sha256: string;
  readonly bytes: number;
  readonly objectBytes: number;
  readonly lines: string;
  readonly objectSha256: string;
}

/**
 * Whether this login may adopt batches.
 *
 * Caller: `--reconcile`, first.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function mayAdopt(db: Database): Promise<boolean> {
  const [row] = await db.query(
    (sql) =>
      sql<[{ may: boolean }]>`select has_function_privilege(to_regproc('auditbox.adopt_batch'), 'execute') as may`,
  );
  return row.may;
}

export type Adoption = 'adopted' | 'unknown' | 'conflict';

/**
 * Makes the done delivery of an object that only the bucket knows. `unknown`: the database has none of its events.
 *
 * Caller: `--reconcile`, as the owner, while no exporter seals.
 * Locks: the frontier's row.
 * Crash: the batch is there and done, or it is not; the call can be repeated.
 */
export async function adoptBatch(db: Database, destination: string, object: FoundObject): Promise<Adoption> {
  const { key, batchId, partition, ids, sha256, bytes, objectBytes, lines, objectSha256 } = object;
  const [row] = await db.query(
    (sql) => sql<[{ adoption: Adoption }]>`
      select auditbox.adopt_batch(${destination}, ${batchId}::bigint, ${partition},
        array(select value::uuid from json_array_elements_text(${JSON.stringify(ids)}::text::json)),
        ${key}, ${sha256}, ${bytes}::bigint, ${objectBytes}::bigint, ${lines}, ${objectSha256}) as adoption`,
  );
  return row.adoption;
}

/**
 * Makes the frontier anew, so that rows of adopted batches are not sealed again.
 *
 * Caller: `--reconcile`, as the owner, after the last adoption.
 * Locks: the frontier's row.
 * Crash: the next seal meets the contradiction and does the same.
 */
export async function repairFrontier(db: Database): Promise<void> {
  await db.query((sql) => sql`select auditbox.repair_frontier()`);
}
