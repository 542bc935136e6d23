import type { Database } from '../database/connect.ts';
import { copyRows } from '../database/copy-rows.ts';
import { asCells, hasQuotedCell, readCells } from '../sql/copied-lines.ts';
import { eventJson } from '../sql/event-json.ts';

/** A row of a batch, for a destination that takes requests. */
export interface DeliveryRow {
  /** Its place in the batch, 0 for the first. It never changes, because a batch never changes. */
  readonly position: number;
  readonly outboxId: string;
  readonly id: string;
  /** ISO 8601 in UTC, six fraction digits. */
  readonly occurredAt: string;
  readonly recordedAt: string;
  readonly action: string;
  readonly tableName: string;
  readonly objectId: string;
  readonly changedBy: string;
  /** The event's JSON, without a line break. Empty for a rejected row. */
  readonly line: string;
  /** Whether the destination rejected it already. */
  readonly isRejected: boolean;
}

/** `incomplete`: an event is missing, or Postgres cannot read its data. */
export type CopiedRows = { readonly kind: 'copied'; readonly rows: DeliveryRow[] } | { readonly kind: 'incomplete' };

/** What of a delivery decides its rows. */
export interface RowsOf {
  readonly destination: string;
  readonly batchId: string;
  /** Of the whole batch. */
  readonly rowCount: number;
  readonly firstOccurredAt: string;
  readonly lastOccurredAt: string;
}

/** The lines of one call have this many bytes, plus one event. */
const maxCopyBytes = 4 * 1024 * 1024;

/**
 * The next rows of a batch, sorted by event time and id, from a position on: 4 MB and at least one row, as long as a row
 * is left. Rejected rows are among them without their line, so that positions never shift. Throws DatabaseError and the signal's
 * reason.
 *
 * Caller: the exporter, which holds the lease and aborts when it loses it. Outside of any transaction.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function copyDeliveryRows(
  db: Database,
  delivery: RowsOf,
  from: number,
  signal: AbortSignal,
): Promise<CopiedRows> {
  const rows: DeliveryRow[] = [];
  let isComplete = true;
  const add = (copied: Buffer) => {
    const [position, outboxId, rejected, id, occurredAt, recordedAt, action, tableName, objectId, changedBy, line] =
      readCells(copied);
    const isRejected = rejected === 't';
    const mayBreak = hasQuotedCell(copied);
    if (!isRejected && line == null) isComplete = false;
    rows.push({
      position: Number(position),
      outboxId: outboxId ?? '',
      isRejected,
      id: id ?? '',
      occurredAt: occurredAt ?? '',
      recordedAt: recordedAt ?? '',
      action: action ?? '',
      tableName: tableName ?? '',
      objectId: objectId ?? '',
      changedBy: changedBy ?? '',
      // A `json` value is kept as it was written. Its raw line breaks stand between tokens, where a blank means the same.
      line: isRejected ? '' : mayBreak ? (line ?? '').replaceAll(/[\r\n]/g, ' ') : (line ?? ''),
    });
  };
  await copyRows(db, rowsStatement(delivery, from), add, signal);
  const isWhole = rows.length > 0 || from >= delivery.rowCount;
  return isComplete && isWhole && rows.every(({ position }, index) => position === from + index)
    ? { kind: 'copied', rows }
    : { kind: 'incomplete' };
}

/** COPY has no parameters, so the values stand in the text. The ids drive the plan, as in `copyBatchLines`. */
function rowsStatement(delivery: RowsOf, from: number): string {
  const batch = checked(delivery.batchId, /^\d{1,19}$/);
  const destination = checked(delivery.destination, /^[a-z][a-z0-9-]{0,62}$/);
  const rowCount = checked(String(delivery.rowCount), /^\d{1,9}$/);
  const first = checked(delivery.firstOccurredAt, isoUtc);
  const last = checked(delivery.lastOccurredAt, isoUtc);
  const position = checked(String(from), /^\d{1,9}$/);
  return `copy (
    select o.position, o.id, o.is_rejected, o.audit_id::text, ${microseconds('o.occurred_at')},
      ${microseconds('o.recorded_at')}, a.action, a.table_name, a.object_id, a.changed_by,
      case when not o.is_rejected and a.id is not null then ${eventJson} end, 0
    from (
      select *, sum(o.bytes) over (order by o.position rows unbounded preceding) - o.bytes as bytes_before
      from (
        select o.*, row_number() over (order by o.occurred_at, o.audit_id) - 1 as position,
          exists (
            select from auditbox.rejection r
            where r.destination = '${destination}' and r.batch_id = ${batch} and r.outbox_id = o.id
          ) as is_rejected
        from (
          select o.*, count(*) over () as ids
          from (select unnest(outbox_ids) as ids from auditbox.batch where id = ${batch}) b
          cross join lateral (
            select o.id, o.audit_id, o.occurred_at, o.recorded_at, o.bytes from auditbox.outbox o
            where o.id >= lower(b.ids) and o.id < upper(b.ids)
            offset 0
          ) o
        ) o
        -- Positions mean something only when all rows of the batch are there.
        where o.ids = ${rowCount}
      ) o
      where o.position >= ${position}
    ) o
    left join lateral (
      select * from auditbox.audit_log a
      where a.id = o.audit_id and a.occurred_at = o.occurred_at
        and a.occurred_at between timestamptz '${first}' and timestamptz '${last}'
      limit 1
    ) a on true
    where o.bytes_before < ${maxCopyBytes}
    order by o.position
  ) ${asCells}`;
}

function microseconds(column: string): string {
  return `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

const isoUtc = /^\d{4,5}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$/;

function checked(value: string, form: RegExp): string {
  if (!form.test(value)) throw new TypeError(`A value for a COPY statement has an unexpected form: ${value}`);
  return value;
}
