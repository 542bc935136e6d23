import type { Database } from '../database/connect.ts';
import { isoUtc } from '../sql/iso-utc.ts';

/** A batch of the archive's destination. */
export interface ArchivedBatch {
  readonly partition: string;
  readonly batchId: string;
  /** Its object; null while it is not in the archive. */
  readonly object: ArchivedObject | null;
}

/** An object of the archive. */
export interface ArchivedObject {
  readonly key: string;
  readonly sha256: string;
  /** When it arrived: ISO 8601 in UTC. */
  readonly doneAt: string;
}

/** Where a batch is in the order of the archive. */
export type BatchPlace = Pick<ArchivedBatch, 'partition' | 'batchId'>;

export interface ArchivedBatchQuery {
  readonly destination: string;
  /** First and last event time, both included; ISO 8601 in UTC. */
  readonly occurredFrom: string;
  readonly occurredTo: string;
  readonly direction: 'asc' | 'desc';
  /** Begin at this batch, which is included; null begins at the first. */
  readonly at: BatchPlace | null;
  readonly limit: number;
}

/**
 * The next batches that may have events of a range, in the order of the archive: by the hour or day that they are filed under,
 * then by number. The ledger outlives the events, so nothing of the bucket is listed.
 *
 * Caller: reads of the api with `archive=true`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listArchivedBatches(
  db: Database,
  { destination, occurredFrom, occurredTo, direction, at, limit }: ArchivedBatchQuery,
): Promise<ArchivedBatch[]> {
  const rows = await db.query((sql) => {
    const order = sql.unsafe(`b.partition collate "C" ${direction}, b.id ${direction}`);
    const than = sql.unsafe(direction === 'asc' ? '>=' : '<=');
    const isNext =
      at === null ? sql`true` : sql`(b.partition collate "C", b.id) ${than} (${at.partition}, ${at.batchId}::bigint)`;
    return sql<(BatchPlace & MaybeObject)[]>`
      select b.partition, b.id::text as "batchId",
        case d.state when 'done' then d.object_key end as key, case d.state when 'done' then d.sha256 end as sha256,
        ${isoUtc(sql, 'd.done_at')} as "doneAt"
      from auditbox.batch b
      -- A replay of rows that another destination had rejected has no delivery here.
      join auditbox.delivery d on d.destination = ${destination} and d.batch_id = b.id
      -- A day sorts in front of its hours.
      where b.partition collate "C" >= ${occurredFrom.slice(0, 10)} and b.partition collate "C" <= ${occurredTo.slice(0, 13)}
        and b.first_occurred_at <= ${occurredTo}::timestamptz and b.last_occurred_at >= ${occurredFrom}::timestamptz
        and ${isNext}
      order by ${order}
      limit ${limit}`;
  });
  return rows.map(({ key, sha256, doneAt, ...place }) => ({ ...place, object: toObject({ key, sha256, doneAt }) }));
}

/** The columns of an object; null while it is not in the archive. */
export interface MaybeObject {
  readonly key: string | null;
  readonly sha256: string | null;
  readonly doneAt: string | null;
}

export function toObject({ key, sha256, doneAt }: MaybeObject): ArchivedObject | null {
  return key === null || sha256 === null || doneAt === null ? null : { key, sha256, doneAt };
}
