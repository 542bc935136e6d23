import type { Database } from '../database/connect.ts';
import { toDatabaseError } from '../database/database-error.ts';

/**
 * Makes the partitions of audit_log that event times belong to, where they are missing; gives the months (`2026-07`)
 * that none can be made for, since they are further ahead than an event may be. The times are ISO 8601 in UTC. Called by the exporter ahead of time, and by writers whose insert found no partition, each
 * outside of any transaction. Takes a lock that other makers of partitions wait for, readers and writers do not. If we
 * die right after, the partitions are there.
 */
export async function makePartitions(
  db: Pick<Database, 'query'>,
  times: readonly string[],
): Promise<ReadonlySet<string>> {
  const months = JSON.stringify([...new Set(times.map(monthOf))]);
  const rows = await db.query(
    (sql) => sql<{ month: string }[]>`
      select month from json_array_elements_text(${months}::text::json) as month
      where audit_log_make_partition((month || '-01T00:00:00Z')::timestamptz) is null`,
  );
  return new Set(rows.map(({ month }) => month));
}

/** `2026-07` of an instant in ISO 8601, UTC. */
export function monthOf(time: string): string {
  return time.slice(0, 7);
}

/** Whether an insert failed because the event's month has no partition. */
export function lacksPartition(error: unknown): boolean {
  const fault = toDatabaseError(error);
  return fault?.code === '23514' && fault.constraint === null && fault.table === 'audit_log';
}
