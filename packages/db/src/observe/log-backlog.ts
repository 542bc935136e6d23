import type { Database } from '../database/connect.ts';

/** How far a log is behind the export. */
export interface LogBacklog {
  readonly destination: string;
  readonly size: number;
  readonly publishedSize: number;
  /** How long the oldest done batch has waited for its number; 0 without such a batch. */
  readonly oldestUnloggedAgeS: number;
}

/**
 * The logs of this database.
 *
 * Caller: the exporter's metrics, `GET /exports`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function findLogBacklogs(db: Database): Promise<LogBacklog[]> {
  return db.query(
    (sql) => sql<LogBacklog[]>`
      select h.destination, h.size::float8, h.published_size::float8 as "publishedSize",
        coalesce(extract(epoch from statement_timestamp() - oldest.done_at), 0)::float8 as "oldestUnloggedAgeS"
      from auditbox.log_head h
      left join lateral (
        select d.done_at from auditbox.delivery d
        where d.destination = h.destination and d.state = 'done' and d.log_index is null
        order by d.done_at
        limit 1
      ) oldest on true`,
  );
}
