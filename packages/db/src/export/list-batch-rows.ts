import type { Database } from '../database/connect.ts';

/** One row of a batch. */
export interface BatchRow {
  readonly outboxId: string;
  readonly auditId: string;
  /** As the server writes it. */
  readonly occurredAt: string;
}

/** The rows of a batch in the order of its object: by event time, then id. Called by the exporter; takes no locks. */
export async function listBatchRows(db: Database, batchId: string): Promise<BatchRow[]> {
  return db.query(
    (sql) => sql<BatchRow[]>`
      select id::text as "outboxId", audit_id as "auditId", occurred_at::text as "occurredAt"
      from outbox where batch_id = ${batchId}
      order by occurred_at, audit_id`,
  );
}
