import type { Database } from '../database/connect.ts';
import { idsIn } from '../sql/ids-in.ts';
import { type DoneDelivery, doneDelivery } from './done-delivery.ts';

/** Event times, both included, ISO 8601 in UTC; null is open. */
export interface OccurredRange {
  readonly from: string | null;
  readonly to: string | null;
}

/**
 * The done deliveries whose events may lie in a range, in the order of their batches, behind a batch.
 *
 * Caller: `--verify`, block after block from `'0'`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listDone(
  db: Database,
  { from, to }: OccurredRange,
  { destination, behind, most }: { destination: string; behind: string; most: number },
): Promise<DoneDelivery[]> {
  return db.query(
    (sql) => sql<DoneDelivery[]>`
      select ${doneDelivery(sql)}
      from auditbox.batch b join auditbox.delivery d on d.batch_id = b.id and d.destination = ${destination}
      where b.id > ${behind} and d.state = 'done'
        and (${from}::text is null or b.last_occurred_at >= ${from}::text::timestamptz)
        and (${to}::text is null or b.first_occurred_at <= ${to}::text::timestamptz)
      order by b.id
      limit ${most}`,
  );
}

/**
 * The object keys that deliveries of these batches have recorded, done or not.
 *
 * Caller: `--verify`, to find objects that no delivery knows.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listRecordedKeys(
  db: Database,
  destination: string,
  batchIds: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await db.query(
    (sql) => sql<{ key: string }[]>`
      select object_key as key from auditbox.delivery
      where destination = ${destination} and batch_id in (${idsIn(sql, batchIds)}) and object_key is not null`,
  );
  return new Set(rows.map(({ key }) => key));
}
