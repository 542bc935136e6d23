import type { Database } from '../database/connect.ts';
import type { LinesOf } from '../export/copy-batch-lines.ts';
import { isoUtc } from '../sql/iso-utc.ts';

/** The batch of an event, and its entry in the log. */
export interface LoggedBatch extends LinesOf {
  readonly index: number;
  readonly entry: string;
}

/** `unlogged`: the event is recorded, but the log does not have its batch yet. */
export type EventInLog =
  | { readonly kind: 'logged'; readonly batch: LoggedBatch }
  | { readonly kind: 'unlogged' }
  | { readonly kind: 'unknown' };

type Row = { readonly [Field in keyof LoggedBatch]: LoggedBatch[Field] | null };

/**
 * Where an event is in the log of a destination.
 *
 * Caller: `GET /audit/:id/proof`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findLoggedBatch(db: Database, id: string, destination: string): Promise<EventInLog> {
  const [row] = await db.query(
    (sql) => sql<Row[]>`
      select e.index::float8, e.entry, ${destination}::text as destination, b.id::text as "batchId",
        b.row_count - (
          select count(*)::int from auditbox.rejection r where r.destination = ${destination} and r.batch_id = b.id
        ) as "rowCount",
        ${isoUtc(sql, 'b.first_occurred_at')} as "firstOccurredAt",
        ${isoUtc(sql, 'b.last_occurred_at')} as "lastOccurredAt"
      from auditbox.outbox o
      left join auditbox.outbox_status s on s.id = o.id and s.destination = ${destination} and s.state = 'done'
      left join auditbox.batch b on b.id = s.batch_id
      left join auditbox.log_entry e on e.destination = ${destination} and e.batch_id = b.id
      where o.audit_id = ${id}::uuid`,
  );
  if (row === undefined) return { kind: 'unknown' };
  const { index, entry } = row;
  if (index === null || entry === null) return { kind: 'unlogged' };
  return { kind: 'logged', batch: { ...(row as LoggedBatch), index, entry } };
}
