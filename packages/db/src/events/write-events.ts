import { sql as drizzleSql, type SQL } from 'drizzle-orm';
import { eventJson } from '../sql/event-json.ts';
import {
  encodeParameters,
  type IdentifiedEvent,
  identify,
  incomingEvents,
  insertIncoming,
  type TracedEvent,
} from './event-record.ts';
import { AuditConflictError, toEventRefusedError } from './event-refused-error.ts';
import { sameContent } from './same-content.ts';
import { whereTaken } from './where-taken.ts';

/** Runs the statement: postgres.js (pool or transaction), or a drizzle database or transaction on any driver. */
export type Executor = PostgresJsExecutor | DrizzleExecutor;
interface PostgresJsExecutor {
  unsafe(statement: string, parameters: string[], options: { prepare: boolean }): PromiseLike<unknown>;
}
interface DrizzleExecutor {
  execute(statement: SQL): PromiseLike<unknown>;
}

/** A stored event. `existing` means that the same event was stored before. */
export interface WrittenEvent {
  readonly id: string;
  readonly outcome: 'created' | 'existing';
}

/*
 * If any id is stored already, it inserts nothing and returns the stored events; else it inserts all, and the trigger adds
 * the outbox rows. One statement, so that an error of the driver cannot separate its parts.
 *
 * Caller: the api outside of any transaction, and services in their own.
 * Locks: the new ids. A second call with one of them waits, and gets a unique violation when this one commits.
 * Crash: all or nothing is committed; the same call again returns which.
 */
const statement = `
  with incoming as materialized (${incomingEvents}
  ), existing as materialized (
    select a.* from incoming ${whereTaken('incoming.id')} join auditbox.audit_log a on a.id = taken.id and a.occurred_at = taken.occurred_at
  ), inserted as (${insertIncoming}
    where not exists (select from existing)
    returning a.id
  )
  select null as id, null as json from (select count(*) from inserted) counted where count > 0
  union all
  select a.id::text, ${eventJson} from existing a`;

/** One row without an id if all were inserted, else the events that are stored under their ids. */
interface Found {
  readonly id: string | null;
  readonly json: string;
}

/**
 * Writes audit events in the executor's transaction, all of them or none; the table's trigger writes their outbox rows. An
 * event that is stored already with the same id and content counts as written.
 *
 * The result is in the order of `events`. Throws AuditConflictError (the id is stored with other content) and
 * FutureEventError, each with the event's index; inside a transaction the caller must roll back, as after any error.
 */
export async function writeAuditEvents(executor: Executor, events: readonly TracedEvent[]): Promise<WrittenEvent[]> {
  const identified = events.map(identify);
  const indexOf = new Map(identified.map(({ id }, index) => [id, index]));
  if (indexOf.size < events.length) throw new Error('Two events of one call have the same id.');
  const existing = new Set<string>();
  for (let missing = identified; missing.length > 0; ) {
    const found = await insertUnlessAnyExists(executor, missing, identified);
    if (found.length === 0) throw new Error('The database did not store the events and did not find them.');
    if (found[0]?.id === null) break;
    for (const { id, json } of found) {
      const index = indexOf.get(id ?? '') ?? -1;
      const event = identified[index];
      if (event && !sameContent(event, json))
        throw new AuditConflictError(index, `The audit event ${id} is stored already with other content.`);
      existing.add(id ?? '');
    }
    missing = missing.filter(({ id }) => !existing.has(id));
  }
  return identified.map(({ id }) => ({ id, outcome: existing.has(id) ? 'existing' : 'created' }));
}

async function insertUnlessAnyExists(
  executor: Executor,
  events: readonly IdentifiedEvent[],
  all: readonly IdentifiedEvent[],
): Promise<Found[]> {
  const parameters = encodeParameters(events);
  try {
    const result = await run(executor, parameters);
    return (Array.isArray(result) ? result : (result as { rows: Found[] }).rows) as Found[];
  } catch (error) {
    throw toEventRefusedError(error, all) ?? error;
  }
}

function run(executor: Executor, parameters: string[]): PromiseLike<unknown> {
  if ('unsafe' in executor) return executor.unsafe(statement, parameters, { prepare: true });
  const parts = statement.split(/(\$\d+)/).map((part) => {
    const number = /^\$(\d+)$/.exec(part)?.[1];
    return number === undefined ? drizzleSql.raw(part) : drizzleSql`${parameters[Number(number) - 1]}`;
  });
  return executor.execute(drizzleSql.join(parts));
}
