import type { Database } from '../database/connect.ts';
import { isoUtc } from '../sql/iso-utc.ts';
import type { ArchivedObject } from './list-archived-batches.ts';

/**
 * The objects of batches at a destination, by the number of the batch. Batches that are not there yet, and unknown ones, are
 * left out.
 *
 * Caller: histories of the api with `archive=true`, for the state before a page.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findArchivedObjects(
  db: Database,
  destination: string,
  batchIds: readonly string[],
): Promise<ReadonlyMap<string, ArchivedObject>> {
  const rows = await db.query(
    (sql) => sql<(ArchivedObject & { batchId: string })[]>`
      select d.batch_id::text as "batchId", d.object_key as key, d.sha256, ${isoUtc(sql, 'd.done_at')} as "doneAt"
      from json_array_elements_text(${JSON.stringify(batchIds)}::text::json) as wanted (id)
      join auditbox.delivery d on d.batch_id = wanted.id::bigint and d.destination = ${destination}
      where d.state = 'done' and d.object_key is not null`,
  );
  return new Map(rows.map(({ batchId, ...object }) => [batchId, object]));
}
