import type { Fragment, Sql } from 'postgres';

/*
 * Batches stay when their month is dropped, and their events do not. A statement that makes deliveries of old batches begins with
 * `listMonths`, and asks `isInMonth` of each batch `b`. To be safe against a month that is dropped now, it also changes the row of
 * the destination, because `drop_month` waits for such a change.
 */

export function listMonths(sql: Sql): Fragment {
  return sql`month as materialized (select starts_at, ends_at from auditbox.list_months())`;
}

export function isInMonth(sql: Sql): Fragment {
  return sql`exists (select from month m where b.first_occurred_at >= m.starts_at and b.last_occurred_at < m.ends_at)`;
}
