import type { Database } from '../database/connect.ts';
import type { OccurredRange } from '../export/list-done.ts';

/** Which events: those of one object of an application, or those of a time, or both. */
export interface EventSelection extends OccurredRange {
  readonly object: { readonly tableName: string; readonly objectId: string } | null;
}

/** An event and its place in the log; null while it is not logged. */
export interface LoggedEvent {
  readonly id: string;
  readonly index: number | null;
}

/**
 * The selected events, in the order of their times, at most `most`.
 *
 * Caller: `--evidence`.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function listLoggedEvents(
  db: Database,
  { object, from, to }: EventSelection,
  { destination, most }: { destination: string; most: number },
): Promise<LoggedEvent[]> {
  return db.query(
    (sql) => sql<LoggedEvent[]>`
      select o.audit_id::text as id, e.index::float8
      from (
        select a.id, a.occurred_at from auditbox.audit_log a
        where (${object === null} or (
            a.table_name = ${object?.tableName ?? ''} and a.object_id = ${object?.objectId ?? ''}))
          and (${from}::text is null or a.occurred_at >= ${from}::text::timestamptz)
          and (${to}::text is null or a.occurred_at <= ${to}::text::timestamptz)
        order by a.occurred_at, a.id
        limit ${most}
      ) a
      join auditbox.outbox o on o.audit_id = a.id and o.occurred_at = a.occurred_at
      left join auditbox.outbox_status s on s.id = o.id and s.destination = ${destination} and s.state = 'done'
      left join auditbox.log_entry e on e.destination = ${destination} and e.batch_id = s.batch_id
      order by a.occurred_at, a.id`,
  );
}
