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
 * Caller: the exporter's housekeeping.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listExpiredMonths(db: Database, retentionDays: number): Promise<ExpiredMonth[]> {
  return db.query(
    (sql) => sql<ExpiredMonth[]>`
      select name, exists (select from pg_constraint where conrelid = month.oid and conname = 'audit_log_month_closed') as "isClosed"
      from (
        select c.oid, c.relname as name, to_timestamp(right(c.relname, 7), 'YYYY_MM') as starts_at
        from pg_inherits i join pg_class c on c.oid = i.inhrelid
        -- audit_log_make_partition gives months their names.
        where i.inhparent = 'audit_log'::regclass and c.relname ~ '^audit_log_[0-9]{4}_[0-9]{2}$'
      ) month
      where (starts_at at time zone 'UTC' + interval '1 month') at time zone 'UTC'
        <= now() - ${retentionDays} * interval '1 day'
      order by starts_at`,
  );
}

/**
 * Closes a month to inserts, so that a later check of its events sees all of them.
 *
 * Caller: the exporter's housekeeping, outside of any transaction.
 * Locks: the month, exclusively. Waits half a second at most for writers, then throws. While it waits, new statements on the month wait behind it.
 * Crash: the month stays closed, and the next call finds it closed.
 */
export async function closeMonth(db: Database, { name }: ExpiredMonth): Promise<void> {
  await db.query((sql) => sql`select audit_log_close_month(${name})`);
}

/**
 * Removes a closed month and its rows of pruned_event in one statement: if the ids were forgotten first, the events could
 * be stored again. Returns false and does nothing while an event of the month is pending, quarantined or in a batch that
 * is not done.
 *
 * Caller: the exporter's housekeeping, outside of any transaction.
 * Locks: audit_log, while the catalogue changes. Waits half a second at most for other users of the table; then it throws.
 * Crash: before the commit the month is still there, and closed.
 */
export async function dropMonth(db: Database, { name }: ExpiredMonth): Promise<boolean> {
  const [row] = await db.query((sql) => sql<[{ gone: boolean }]>`select audit_log_drop_month(${name}) as gone`);
  return row.gone;
}
