import type { LeasedDelivery } from '@auditbox/core/export/delivery.ts';
import type { Database } from '../database/connect.ts';

/** A batch may be larger than anybody wants to wait for its links. */
const mostRows = 10_000;

/**
 * Where the requests that brought a batch's events were traced: each once, `most` of them at most, from 10,000 of its
 * rows.
 *
 * `offset 0` keeps each row one look-up by the index of its month, whose pages the render has just read. A free join may
 * read all of an hour for one batch of it. The bounds of event time leave out the other months.
 *
 * Caller: the exporter before an upload, when it is traced itself.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listTraceparents(db: Database, delivery: LeasedDelivery, most: number): Promise<string[]> {
  const { batchId, firstOccurredAt, lastOccurredAt } = delivery;
  const rows = await db.query(
    (sql) => sql<{ traceparent: string }[]>`
      select distinct traceparent
      from (
        select o.audit_id, o.occurred_at
        from (select unnest(outbox_ids) as ids from auditbox.batch where id = ${batchId}) b
        cross join lateral (
          select * from auditbox.outbox o where o.id >= lower(b.ids) and o.id < upper(b.ids) offset 0
        ) o
        limit ${mostRows}
      ) o
      cross join lateral (
        select traceparent from auditbox.audit_log a
        where a.id = o.audit_id and a.occurred_at = o.occurred_at
          and a.occurred_at between ${firstOccurredAt}::text::timestamptz and ${lastOccurredAt}::text::timestamptz
        offset 0
      ) a
      where traceparent is not null
      limit ${most}`,
  );
  return rows.map(({ traceparent }) => traceparent);
}
