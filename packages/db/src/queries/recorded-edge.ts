import type { Database } from '../database/connect.ts';

/**
 * The recorded time before which no new event can appear, because every transaction that could hold one has ended.
 * ISO 8601 in UTC. It must be a separate statement on the primary before the read: the read then sees transactions that
 * end between the two.
 *
 * An event's recorded time is the start of the statement that inserted it. So a transaction that has written holds the
 * edge at its own start, and a running statement at the statement's start. A prepared transaction is not visible here;
 * Auditbox makes none. Throws HiddenSessionsError if another user's sessions are hidden, because then the edge is unknown.
 *
 * A backend publishes the start of its statement a moment later; `marginMs` must be longer than that moment.
 *
 * Caller: `GET /audit` in the order of recording.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function recordedEdge(db: Database, marginMs: number): Promise<string> {
  const [row] = await db.query(
    (sql) => sql<[{ edge: string; hidden: boolean }]>`
      select
        to_char(
          least(min(since), clock_timestamp() - ${marginMs} * interval '1 millisecond') at time zone 'UTC',
          'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
        ) as edge,
        coalesce(bool_or(is_hidden), false) as hidden
      from (
        select usesysid is not null and query = '<insufficient privilege>' as is_hidden,
          case when backend_xid is not null then xact_start when state = 'active' then query_start end as since
        from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()
      ) session`,
  );
  if (row.hidden) throw new HiddenSessionsError();
  return row.edge;
}

/** This role lacks `pg_read_all_stats`. */
export class HiddenSessionsError extends Error {
  override readonly name = 'HiddenSessionsError';
  readonly code = 'DATABASE_SESSIONS_HIDDEN';
  constructor() {
    super('The api may not see which transactions run. Grant pg_read_all_stats to its database user.');
  }
}
