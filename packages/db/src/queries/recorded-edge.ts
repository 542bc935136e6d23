import type { Database } from '../database/connect.ts';

/**
 * The recorded time before which no event can appear any more: all transactions that could hold one have ended. ISO 8601
 * in UTC. Called before a read in the order of recording, as a statement of its own on the primary: what ends between
 * the two is seen by the read. Takes no locks.
 *
 * An event's recorded time is that of the statement that inserted it. So a transaction that has written holds the edge at
 * its beginning, and a running statement at its own. Throws HiddenSessionsError when another user's sessions cannot be
 * seen (they need `pg_read_all_stats`): then nobody knows. A prepared transaction is not seen; Auditbox makes none.
 *
 * A backend tells the server when its statement began a moment after it began: `marginMs` is more than that moment.
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

export class HiddenSessionsError extends Error {
  override readonly name = 'HiddenSessionsError';
  readonly code = 'DATABASE_SESSIONS_HIDDEN';
  constructor() {
    super('The api may not see which transactions run: grant its database user pg_read_all_stats.');
  }
}
