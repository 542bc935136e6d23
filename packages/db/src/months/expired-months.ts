import type { Database } from '../database/connect.ts';

/** A month of audit_log, all of whose events are older than retention. */
export interface ExpiredMonth {
  /** The name of its table: `audit_log_2026_07`. */
  readonly name: string;
  /** Whether closeMonth was called for it. */
  readonly isClosed: boolean;
}

/**
 * The months whose last event is older than `retentionDays`, oldest first.
 *
 * Caller: `npm run retention`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listExpiredMonths(db: Database, retentionDays: number): Promise<ExpiredMonth[]> {
  return db.query(
    (sql) => sql<ExpiredMonth[]>`
      select name, is_closed as "isClosed" from auditbox.list_months()
      where ends_at <= now() - ${retentionDays} * interval '1 day'
      order by starts_at`,
  );
}

/**
 * Closes a month to inserts, so that a later check of its events sees all of them.
 *
 * Caller: `npm run retention`, outside of any transaction.
 * Locks: the month, exclusively. Waits half a second at most for writers, then throws. While it waits, new statements on the month wait behind it.
 * Crash: the month stays closed, and the next call finds it closed.
 */
export async function closeMonth(db: Database, { name }: ExpiredMonth): Promise<void> {
  await db.query((sql) => sql`select auditbox.close_month(${name})`);
}

/**
 * Removes a closed month. Returns false and does nothing while an event of the month is not archived at every destination.
 * The ids of the events stay taken until `forgetDropped`.
 *
 * Caller: `npm run retention`, outside of any transaction.
 * Locks: audit_log, while the catalogue changes. Waits half a second at most for other users of the table; then it throws.
 * Crash: before the commit the month is still there, and closed.
 */
export async function dropMonth(db: Database, { name }: ExpiredMonth): Promise<boolean> {
  const [row] = await db.query((sql) => sql<[{ gone: boolean }]>`select auditbox.drop_month(${name}) as gone`);
  return row.gone;
}

/**
 * How many events of a month are not in the archive of every destination. Reads the whole month.
 *
 * Caller: `npm run retention`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function countUnarchived(db: Database, { name }: ExpiredMonth): Promise<number> {
  const [row] = await db.query(
    (sql) => sql<[{ count: number }]>`select auditbox.count_unarchived(${name})::float8 as count`,
  );
  return row.count;
}

/**
 * Deletes outbox rows of dropped months, for at most `maxBatches` batches. Returns for how many; fewer than asked means that
 * none is left. The ids of their events are free then.
 *
 * Caller: `npm run retention`.
 * Locks: the outbox rows of dropped months, which nobody else uses.
 * Crash: a batch's rows are deleted or not; the next call continues.
 */
export async function forgetDropped(db: Database, maxBatches: number): Promise<number> {
  const [row] = await db.query(
    (sql) => sql<[{ batches: number }]>`select auditbox.forget_dropped(${maxBatches}) as batches`,
  );
  return row.batches;
}
