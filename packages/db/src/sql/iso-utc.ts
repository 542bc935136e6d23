import type { Fragment, Sql } from 'postgres';

/** A timestamptz column as ISO 8601 in UTC with six fraction digits, the form that core works on. */
export function isoUtc(sql: Sql, column: string): Fragment {
  return sql`to_char(${sql(column)} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}
