import type { Database } from '../database/connect.ts';
import { toDatabaseError } from '../database/database-error.ts';

/** Months are made this far ahead, because the exporters that make them may be down for that long. */
const monthsAhead = 3;

/** The first instants of this month and of the next ones, ISO 8601 in UTC. */
export function listUpcomingMonths(now: Date): string[] {
  return Array.from({ length: monthsAhead + 1 }, (_, n) =>
    new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + n, 1)).toISOString(),
  );
}

/**
 * Makes the months of audit_log that event times belong to, where they are missing. The times are ISO 8601 in UTC. Returns
 * the months (`2026-07`) that cannot be made because they are further ahead than an event may be.
 *
 * Caller: the exporter ahead of time, and the migrator; each outside of any transaction.
 * Locks: a row of the list of migrations, for which other makers of months wait; readers and writers do not wait.
 * Crash: the months exist, or the next call makes them.
 */
export async function makeMonths(db: Pick<Database, 'query'>, times: readonly string[]): Promise<ReadonlySet<string>> {
  const impossible = new Set<string>();
  // One statement for each month: a month that cannot be made undoes no other.
  for (const month of new Set(times.map(toMonth))) {
    const [row] = await db.query(
      (sql) => sql<[{ isMade: boolean | null }]>`
        select auditbox.make_month((${month} || '-01T00:00:00Z')::timestamptz) as "isMade"`,
    );
    if (row.isMade === null) impossible.add(month);
  }
  return impossible;
}

/** `2026-07` of an instant in ISO 8601, UTC. */
export function toMonth(time: string): string {
  return time.slice(0, 7);
}

/** Whether an insert failed because the table has no partition for the event's month. */
export function isMonthMissing(error: unknown): boolean {
  const databaseError = toDatabaseError(error);
  // Postgres reports a row without a partition as a check violation that names no constraint.
  return databaseError?.code === '23514' && databaseError.constraint === null && databaseError.table === 'audit_log';
}
