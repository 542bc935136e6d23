import type { Database } from '../database/connect.ts';

/** A partition of audit_log, all of whose events are older than retention. */
export interface ExpiredMonth {
  /** Of the partition's table: `audit_log_2026_07`. */
  readonly name: string;
  /** Whether closeMonth was called for it. */
  readonly isClosed: boolean;
}

/**
 * The partitions whose last event is older than `retentionDays`, oldest first. Called by the exporter's housekeeping;
 * takes no locks. Partitions are known by their names, which audit_log_make_partition gives them.
 */
export async function listExpiredMonths(db: Database, retentionDays: number): Promise<ExpiredMonth[]> {
  return db.query(
    (sql) => sql<ExpiredMonth[]>`
      select name, exists (select from pg_constraint where conrelid = month.oid and conname = 'audit_log_month_closed') as "isClosed"
      from (
        select c.oid, c.relname as name, to_timestamp(right(c.relname, 7), 'YYYY_MM') as starts_at
        from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'audit_log'::regclass and c.relname ~ '^audit_log_[0-9]{4}_[0-9]{2}$'
      ) month
      where (starts_at at time zone 'UTC' + interval '1 month') at time zone 'UTC'
        <= now() - ${retentionDays} * interval '1 day'
      order by starts_at`,
  );
}
