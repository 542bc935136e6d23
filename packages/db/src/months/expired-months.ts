import type { Database } from '../database/connect.ts';
import { type DoneDelivery, doneDelivery } from '../export/done-delivery.ts';

/** A month of audit_log, all of whose events are older than retention. */
export interface ExpiredMonth {
  /** The name of its table: `audit_log_2026_07`. */
  readonly name: string;
  /** Its bounds, ISO 8601 in UTC. */
  readonly startsAt: string;
  readonly endsAt: string;
  /** Whether closeMonth was called for it. */
  readonly isClosed: boolean;
}

/**
 * The months whose last event is older than `retentionDays`, oldest first.
 *
 * Caller: retention.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listExpiredMonths(db: Database, retentionDays: number): Promise<ExpiredMonth[]> {
  return db.query(
    (sql) => sql<ExpiredMonth[]>`
      select m.name, m.is_closed as "isClosed",
        to_char(m.starts_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "startsAt",
        to_char(m.ends_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "endsAt"
      from auditbox.list_months() m
      where m.ends_at <= statement_timestamp() - ${retentionDays} * interval '1 day'
      order by m.starts_at`,
  );
}

/**
 * Closes a month to inserts, so that a later check of its events sees all of them.
 *
 * Caller: retention, outside of any transaction.
 * Locks: the month, exclusively. Waits half a second at most for writers, then throws. While it waits, new statements on the month wait behind it.
 * Crash: the month stays closed, and the next call finds it closed.
 */
export async function closeMonth(db: Database, { name }: Pick<ExpiredMonth, 'name'>): Promise<void> {
  await db.query((sql) => sql`select auditbox.close_month(${name})`);
}

/**
 * How many events of a month are not archived at `destination`, or still on their way to another destination.
 *
 * Caller: retention, outside of any transaction.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function countUnarchived(
  db: Database,
  { name }: Pick<ExpiredMonth, 'name'>,
  destination: string,
): Promise<number> {
  const [row] = await db.query(
    (sql) => sql<[{ events: number }]>`select auditbox.count_unarchived(${name}, ${destination})::float8 as events`,
  );
  return row.events;
}

/**
 * A destination that was promised the history of a month, and to which batches of the month are still to be added; null if there
 * is no such destination. Until then it has no delivery that countUnarchived could find.
 *
 * Caller: retention, outside of any transaction.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findAwaitingHistory(db: Database, { name }: Pick<ExpiredMonth, 'name'>): Promise<string | null> {
  const [row] = await db.query(
    (sql) => sql<[{ awaiting: string | null }]>`select auditbox.find_awaiting_history(${name}) as awaiting`,
  );
  return row.awaiting;
}

/**
 * The objects of a month at a destination, in the order of their batches, behind a batch. A batch is filed under one hour or
 * day, so it belongs to one month. A month whose bounds somebody made differently has the batches of two, one after another.
 *
 * Caller: retention, to read them back, block after block from `'0'`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listArchivedObjects(
  db: Database,
  { startsAt, endsAt }: ExpiredMonth,
  { destination, behind, most }: { destination: string; behind: string; most: number },
): Promise<DoneDelivery[]> {
  return db.query(
    (sql) => sql<DoneDelivery[]>`
      select ${doneDelivery(sql)}
      from auditbox.batch b join auditbox.delivery d on d.batch_id = b.id and d.destination = ${destination}
      where d.state = 'done'
        -- By the index, in its order.
        and (date_trunc('month', b.first_occurred_at at time zone 'UTC'), b.id) > (
          coalesce(
            (select date_trunc('month', l.first_occurred_at at time zone 'UTC') from auditbox.batch l where l.id = ${behind}),
            date_trunc('month', ${startsAt}::text::timestamptz at time zone 'UTC')),
          ${behind})
        and date_trunc('month', b.first_occurred_at at time zone 'UTC') < ${endsAt}::text::timestamptz at time zone 'UTC'
        and b.first_occurred_at >= ${startsAt}::text::timestamptz and b.first_occurred_at < ${endsAt}::text::timestamptz
      order by date_trunc('month', b.first_occurred_at at time zone 'UTC'), b.id
      limit ${most}`,
  );
}

/**
 * Removes a closed month. Returns false and does nothing while countUnarchived finds an event or findAwaitingHistory a destination.
 *
 * Caller: retention, outside of any transaction, after it read the month's objects back.
 * Locks: destinations against changes, and audit_log, while the catalogue changes. Waits half a second at most for other users of the table; then it throws.
 * Crash: before the commit the month is still there, and closed.
 */
export async function dropMonth(
  db: Database,
  { name }: Pick<ExpiredMonth, 'name'>,
  destination: string,
): Promise<boolean> {
  const [row] = await db.query(
    (sql) => sql<[{ gone: boolean }]>`select auditbox.drop_month(${name}, ${destination}) as gone`,
  );
  return row.gone;
}

/**
 * Deletes the outbox rows of batches whose month was dropped, `maxBatches` at a time. Returns how many batches these were.
 *
 * Caller: retention, until it returns 0.
 * Locks: those outbox rows, which nobody else reads.
 * Crash: the call can be repeated.
 */
export async function forgetDropped(db: Database, maxBatches: number): Promise<number> {
  const [row] = await db.query(
    (sql) => sql<[{ batches: number }]>`select auditbox.forget_dropped(${maxBatches}::int) as batches`,
  );
  return row.batches;
}
