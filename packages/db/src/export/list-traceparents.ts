import type { LeasedBatch } from '@auditbox/core/batch.ts';
import type { Database } from '../connect.ts';

/**
 * Where the requests that brought a batch's events were traced: each once, `most` of them at most. Called by the exporter
 * before an upload, when it is traced itself; takes no locks. If we die, nothing has changed.
 *
 * The bounds of event time name the partitions; each row is then one look into an index, and the render read it before.
 */
export async function listTraceparents(db: Database, batch: LeasedBatch, most: number): Promise<string[]> {
  const { id, firstOccurredAt, lastOccurredAt } = batch;
  const rows = await db.answer(
    () => db.sql<{ traceparent: string }[]>`
      select distinct a.traceparent
      from outbox o
      join audit_log a on a.id = o.audit_id and a.occurred_at = o.occurred_at
        and a.occurred_at between ${firstOccurredAt}::text::timestamptz and ${lastOccurredAt}::text::timestamptz
      where o.batch_id = ${id} and a.traceparent is not null
      limit ${most}`,
  );
  return rows.map(({ traceparent }) => traceparent);
}
