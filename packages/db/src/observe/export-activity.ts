import type { Database } from '../database/connect.ts';

/** What reached a destination in one hour. */
interface ExportedHour {
  /** Where the hour begins, in UTC. */
  readonly start: string;
  readonly objects: number;
  readonly rows: number;
  readonly bytes: number;
  /** The longest time from the recording of a batch's first row to its arrival. */
  readonly slowestS: number;
}

/** A delivery that was tried and waits for its next try. */
interface WaitingRetry {
  readonly batchId: string;
  /** Attempts that failed. 0 while the destination refuses everything: such an attempt does not count. */
  readonly attempts: number;
  readonly error: string;
  readonly nextAttemptInS: number;
}

/** What a destination did lately. */
export interface ExportActivity {
  readonly hours: readonly ExportedHour[];
  /** The delivery of the oldest batch that waits for a retry; null when none does. */
  readonly retry: WaitingRetry | null;
  readonly lastDoneAt: string | null;
}

/** Newest batches that are looked at: a busy day may have more, and then its first hours are missing. */
const newestBatches = 5_000;
const lastTried = 1_000;

/**
 * The last 24 hours of a destination, from its newest batches alone, so that the cost does not grow with the archive.
 *
 * Caller: `GET /exports`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function readExportActivity(db: Database, destination: string): Promise<ExportActivity> {
  const hours = await db.query(
    (sql) => sql<ExportedHour[]>`
      select to_char(date_trunc('hour', d.done_at, 'UTC') at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as start,
        count(*)::int as objects, sum(b.row_count)::float8 as rows, sum(d.object_bytes)::float8 as bytes,
        greatest(0, max(extract(epoch from d.done_at - b.first_recorded_at)))::float8 as "slowestS"
      from (select id, row_count, first_recorded_at from auditbox.batch order by id desc limit ${newestBatches}) b
      join auditbox.delivery d on d.destination = ${destination} and d.batch_id = b.id
      where d.state = 'done' and d.done_at > statement_timestamp() - interval '24 hours'
      group by 1
      order by 1`,
  );
  const [retry] = await db.query(
    (sql) => sql<WaitingRetry[]>`
      select d.batch_id::text as "batchId", d.attempts, d.last_error as error,
        greatest(0, extract(epoch from d.next_attempt_at - statement_timestamp()))::float8 as "nextAttemptInS"
      from (
        -- The last to be tried: a delivery that waits for a retry is behind those that were never tried.
        -- The lease has counted the attempt that runs. It may be a probe of a destination that refuses everything.
        select batch_id, attempts - (v.state = 'sending')::int as attempts, last_error, next_attempt_at
        from auditbox.delivery v
        where v.destination = ${destination} and v.state in ('sealed', 'sending')
        order by v.next_attempt_at desc, v.batch_id desc
        limit ${lastTried}
      ) d
      where d.last_error is not null
      order by d.batch_id
      limit 1`,
  );
  const [last] = await db.query(
    (sql) => sql<{ at: string | null }[]>`
      select to_char(max(d.done_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at
      from (select id from auditbox.batch order by id desc limit ${newestBatches}) b
      join auditbox.delivery d on d.destination = ${destination} and d.batch_id = b.id
      where d.state = 'done'`,
  );
  return { hours, retry: retry ?? null, lastDoneAt: last?.at ?? null };
}
