import type { LeasedDelivery } from '@auditbox/core/export/delivery.ts';
import { collectChunks } from '../database/collect-chunks.ts';
import type { Database } from '../database/connect.ts';
import { copyRows } from '../database/copy-rows.ts';
import { asLines, readLine } from '../sql/copied-lines.ts';
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
 * The lines of one COPY have this many bytes, plus one event. The driver has no backpressure, so this bounds what waits for a
 * slow receiver.
 */
const maxCopyBytes = 4 * 1024 * 1024;

/**
 * The NDJSON of a delivery, sorted by event time and id, without its rejected rows, in chunks as the server sends them.
 * Node decodes none of it. A large batch comes by several COPYs, and `isReady` is awaited before each further one. Throws
 * DatabaseError, the signal's reason, and what `onChunk` throws.
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
  isReady: () => Promise<void> = async () => {},
): Promise<CopiedLines> {
  let rows = 0;
  let after: string | null = null;
  for (let copied = -1; copied < rows; ) {
    copied = rows;
    const chunks = collectChunks(onChunk);
    let last: Buffer | null = null;
    const add = (row: Buffer) => {
      const { line } = readLine(row);
      chunks.add(line);
      rows += 1;
      last = line;
    };
    await copyRows(db, batchLinesStatement(delivery, after), add, signal);
    chunks.flush();
    if (rows >= delivery.rowCount || last === null) break;
    after = readId(last);
    await isReady();
  }
  return rows === delivery.rowCount
    ? { kind: 'whole', rows }
    : { kind: 'incomplete', rows, expected: delivery.rowCount };
}

/** The id of the event in a line that `eventJson` made. */
function readId(line: Buffer): string {
  const id = /^\{"id":"([0-9a-f-]{36})"/.exec(line.toString('latin1', 0, 64))?.[1];
  if (id === undefined) throw new TypeError('A line of a batch does not begin with its id.');
  return id;
}

/**
 * The next lines of a delivery, after the event `after`. COPY has no parameters, so the values stand in the text.
 *
 * The ids drive the plan, each event one look-up. A free join may be planned badly right after a bulk load. `offset 0` and
 * `limit 1` keep the planner from rewriting it, and the outer order costs nothing, because it is the order of the ids.
 */
export function batchLinesStatement(delivery: LinesOf, after: string | null = null): string {
  const batch = checked(delivery.batchId, /^\d{1,19}$/);
  const destination = checked(delivery.destination, /^[a-z][a-z0-9-]{0,62}$/);
  const rowCount = checked(String(delivery.rowCount), /^\d{1,9}$/);
  const first = checked(delivery.firstOccurredAt, isoUtc);
  const last = checked(delivery.lastOccurredAt, isoUtc);
  const isNext =
    after === null
      ? 'true'
      : `(o.occurred_at, o.audit_id) >
        (select occurred_at, audit_id from auditbox.outbox where audit_id = '${checked(after, /^[0-9a-f-]{36}$/)}')`;
  return `copy (
    select ${eventJson}
    from (
      select o.audit_id, o.occurred_at, sum(o.bytes) over by_time - o.bytes as bytes_before
      from (
        select o.audit_id, o.occurred_at, o.bytes, count(*) over () as ids
        from (select unnest(outbox_ids) as ids from auditbox.batch where id = ${batch}) b
        cross join lateral (
          select o.id, o.audit_id, o.occurred_at, o.bytes from auditbox.outbox o
          where o.id >= lower(b.ids) and o.id < upper(b.ids)
          offset 0
        ) o
        where o.id <> all (array(
          select outbox_id from auditbox.rejection where destination = '${destination}' and batch_id = ${batch}
        ))
      ) o
      -- No line comes of a batch that has another number of ids: each COPY alone would look whole.
      where o.ids = ${rowCount} and ${isNext}
      window by_time as (order by o.occurred_at, o.audit_id rows unbounded preceding)
      order by o.occurred_at, o.audit_id
    ) o
    cross join lateral (
      select * from auditbox.audit_log a
      where a.id = o.audit_id and a.occurred_at = o.occurred_at
        -- Leaves out the other months when the plan is made.
        and a.occurred_at between timestamptz '${first}' and timestamptz '${last}'
      limit 1
    ) a
    where o.bytes_before < ${maxCopyBytes}
    order by o.occurred_at, o.audit_id
  ) ${asLines}`;
}

const isoUtc = /^\d{4,5}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$/;

function checked(value: string, form: RegExp): string {
  if (!form.test(value)) throw new TypeError(`A value for a COPY statement has an unexpected form: ${value}`);
  return value;
}
