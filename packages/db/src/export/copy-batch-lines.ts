import type { LeasedDelivery } from '@auditbox/core/export/delivery.ts';
import type { Database } from '../database/connect.ts';
import { copyOut } from '../database/copy-out.ts';
import { asLines, oneLineEach } from '../sql/copied-lines.ts';
import { eventJson } from '../sql/event-json.ts';

/** Whether all rows of a delivery came. */
export type CopiedLines =
  | { readonly kind: 'whole'; readonly rows: number }
  /** Events are missing, or the stream ended early: nothing of it may be stored. */
  | { readonly kind: 'incomplete'; readonly rows: number; readonly expected: number };

/** What of a delivery decides its lines. */
export type LinesOf = Pick<
  LeasedDelivery,
  'destination' | 'batchId' | 'rowCount' | 'firstOccurredAt' | 'lastOccurredAt'
>;

/**
 * The NDJSON of a delivery, sorted by event time and id, without its rejected rows, in chunks as the server sends them.
 * Node decodes none of it. Throws DatabaseError, the signal's reason, and what `onChunk` throws.
 *
 * Caller: the exporter, which holds the lease and aborts when it loses it. Outside of any transaction.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function copyBatchLines(
  db: Database,
  delivery: LinesOf,
  onChunk: (chunk: Buffer) => void,
  signal: AbortSignal,
): Promise<CopiedLines> {
  const lines = oneLineEach();
  await copyOut(db, batchLinesStatement(delivery), (chunk) => onChunk(lines.pass(chunk)), signal);
  const { rows } = lines;
  return rows === delivery.rowCount
    ? { kind: 'whole', rows }
    : { kind: 'incomplete', rows, expected: delivery.rowCount };
}

/**
 * COPY has no parameters, so the values stand in the text.
 *
 * The ids drive the plan, each event one look-up. A free join may be planned badly right after a bulk load. `offset 0` and
 * `limit 1` keep the planner from rewriting it, and the outer order costs nothing, because it is the order of the ids.
 */
export function batchLinesStatement(delivery: LinesOf): string {
  const batch = checked(delivery.batchId, /^\d{1,19}$/);
  const destination = checked(delivery.destination, /^[a-z][a-z0-9-]{0,62}$/);
  const first = checked(delivery.firstOccurredAt, isoUtc);
  const last = checked(delivery.lastOccurredAt, isoUtc);
  return `copy (
    select ${eventJson}
    from (
      select o.audit_id, o.occurred_at
      from (select unnest(outbox_ids) as ids from auditbox.batch where id = ${batch}) b
      cross join lateral (
        select o.id, o.audit_id, o.occurred_at from auditbox.outbox o
        where o.id >= lower(b.ids) and o.id < upper(b.ids)
        offset 0
      ) o
      where o.id <> all (array(
        select outbox_id from auditbox.rejection where destination = '${destination}' and batch_id = ${batch}
      ))
      order by o.occurred_at, o.audit_id
    ) o
    cross join lateral (
      select * from auditbox.audit_log a
      where a.id = o.audit_id and a.occurred_at = o.occurred_at
        -- Leaves out the other months when the plan is made.
        and a.occurred_at between timestamptz '${first}' and timestamptz '${last}'
      limit 1
    ) a
    order by o.occurred_at, o.audit_id
  ) ${asLines}`;
}

const isoUtc = /^\d{4,5}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$/;

function checked(value: string, form: RegExp): string {
  if (!form.test(value)) throw new TypeError(`A value for a COPY statement has an unexpected form: ${value}`);
  return value;
}
