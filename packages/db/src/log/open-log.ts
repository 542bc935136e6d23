import type { Database } from '../database/connect.ts';

/** How far a log has come. */
export interface LogHead {
  readonly origin: string;
  /** Entries. */
  readonly size: number;
  /** The size of the newest checkpoint in the bucket. */
  readonly publishedSize: number;
  /** Since the newest checkpoint was made; null before the first. */
  readonly checkpointAgeMs: number | null;
  /** The database's clock, ISO 8601 in UTC. */
  readonly now: string;
}

/**
 * The log of a destination; null if it has none.
 *
 * Caller: the exporter.
 * Locks: none.
 * Crash: nothing is written.
 */
async function readLogHead(db: Database, destination: string): Promise<LogHead | null> {
  const [row] = await db.query(
    (sql) => sql<LogHead[]>`
      select origin, size::float8, published_size::float8 as "publishedSize",
        (
          select extract(epoch from statement_timestamp() - max(created_at))::float8 * 1000
          from auditbox.log_checkpoint c where c.destination = h.destination and c.note is not null
        ) as "checkpointAgeMs",
        to_char(statement_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now
      from auditbox.log_head h where destination = ${destination}`,
  );
  return row ?? null;
}

/**
 * The log of a destination. The first call gives it its name; later calls return the name that it has.
 *
 * Caller: the exporter, before each pass over the log.
 * Locks: none that others wait for.
 * Crash: the log is there, or the call can be repeated.
 */
export async function openLog(db: Database, log: { destination: string; origin: string }): Promise<LogHead> {
  const { destination, origin } = log;
  const before = await readLogHead(db, destination);
  if (before !== null) return before;
  await db.query(
    (sql) => sql`
      insert into auditbox.log_head (destination, origin) values (${destination}, ${origin}) on conflict do nothing`,
  );
  const made = await readLogHead(db, destination);
  if (made === null) throw new Error(`The log of ${destination} is gone.`);
  return made;
}
