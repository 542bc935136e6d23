import type { Database } from '../database/connect.ts';

/** A batch with its place in the log. */
export interface NumberedBatch {
  readonly index: number;
  readonly batchId: string | null;
  readonly entry: string;
  /** As in `log_entry`. */
  readonly hashes: string;
}

/**
 * Appends entries to the log if it still has `size` entries. False if another exporter appended first; then nothing is
 * changed, and the caller reads again.
 *
 * Caller: the exporter, in a pass over the log.
 * Locks: the log's row, for the time of one statement. No lock is held while entries are hashed.
 * Crash: all of them are numbered, or none. So the numbers have no gap.
 */
export async function numberBatches(
  db: Database,
  { destination, size }: { destination: string; size: number },
  batches: readonly NumberedBatch[],
): Promise<boolean> {
  const [row] = await db.query(
    (sql) => sql<[{ moved: boolean }]>`
      with moved as (
        update auditbox.log_head set size = size + ${batches.length}
        where destination = ${destination} and size = ${size}
        returning 1
      ), new as materialized (
        select * from json_to_recordset(${JSON.stringify(batches)}::text::json) as new (
          index bigint, "batchId" bigint, entry text, hashes text
        )
        where exists (select from moved)
      ), numbered as (
        update auditbox.delivery d set log_index = new.index
        from new where d.destination = ${destination} and d.batch_id = new."batchId"
      ), appended as (
        insert into auditbox.log_entry (destination, index, batch_id, entry, hashes)
        select ${destination}, index, "batchId", entry, hashes from new
      )
      select exists (select from moved) as moved`,
  );
  return row.moved;
}
