import type { Database } from '../database/connect.ts';

/** Rows of a batch that are rendered by one statement. */
export interface BatchChunk {
  readonly rows: number;
  /** The events' ids in the order of the object, as the text of a Postgres array. */
  readonly auditIds: string;
  /** The first and last event time, as the server writes them: which partition to look into. */
  readonly firstOccurredAt: string;
  readonly lastOccurredAt: string;
}

/** Enough that round trips do not count; memory holds one chunk for each render. */
const chunkBytes = 1024 * 1024;

/**
 * A batch cut into chunks of about a megabyte, in the order of its object: by event time, then id. The ids are joined by
 * the server, for ten thousand rows take longer to read than they take to be found. Called by the exporter; takes no
 * locks.
 */
export async function chunkBatch(db: Database, batchId: string): Promise<BatchChunk[]> {
  return db.query(
    (sql) => sql<BatchChunk[]>`
      select count(*)::int as rows, '{' || string_agg(audit_id::text, ',' order by occurred_at, audit_id) || '}' as "auditIds",
        min(occurred_at)::text as "firstOccurredAt", max(occurred_at)::text as "lastOccurredAt"
      from (
        select audit_id, occurred_at,
          (sum(bytes) over (order by occurred_at, audit_id rows unbounded preceding) - bytes) / ${chunkBytes}::bigint as chunk
        from outbox where batch_id = ${batchId}
      ) placed
      group by chunk
      order by chunk`,
  );
}
