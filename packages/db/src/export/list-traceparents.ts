import type { LeasedBatch } from '@auditbox/core/export/batch.ts';
import type { Database } from '../database/connect.ts';

/** A batch may be set to be larger than anybody wants to wait for its links. */
const mostRows = 10_000;

/**
 * Where the requests that brought a batch's events were traced: each once, `most` of them at most, from 10,000 of its
 * rows. Called by the exporter before an upload, when it is traced itself; takes no locks. If we die, nothing has changed.
 *
 * `offset 0` keeps each row one look into an index of its partition, which the render did just before: joined freely, a
 * plan may read all of an hour for one batch of it. The bounds of event time leave out the other partitions.
 */
export async function listTraceparents(db: Database, batch: LeasedBatch, most: number): Promise<string[]> {
  const { id, firstOccurredAt, lastOccurredAt } = batch;
  const rows = await db.query(
    (sql) => sql<{ traceparent: string }[]>`
      select distinct traceparent
      from (select audit_id, occurred_at from outbox where batch_id = ${id} limit ${mostRows}) o
      cross join lateral (
        select traceparent from audit_log a
        where a.id = o.audit_id and a.occurred_at = o.occurred_at
          and a.occurred_at between ${firstOccurredAt}::text::timestamptz and ${lastOccurredAt}::text::timestamptz
        offset 0
      ) a
      where traceparent is not null
      limit ${most}`,
  );
  return rows.map(({ traceparent }) => traceparent);
}
