import type { Database } from '../database/connect.ts';
import { toDatabaseError } from '../database/database-error.ts';
import { isMonthMissing, makeMonths } from '../months/make-months.ts';
import { eventJson } from '../sql/event-json.ts';
import {
  encodeParameters,
  type IdentifiedEvent,
  incomingEvents,
  insertIncoming,
  listEventTimes,
} from './event-record.ts';
import {
  AuditConflictError,
  FutureEventError,
  isIdTaken,
  removedMessage,
  toEventRefusedError,
} from './event-refused-error.ts';
import { sameContent } from './same-content.ts';
import { whereTaken } from './where-taken.ts';
import type { WrittenEvent } from './write-events.ts';

/** A stored event; `json` has the form of `GET /audit/:id`. */
export interface StoredEvent extends WrittenEvent {
  readonly json: string;
}

/** The outcome for one event: stored (now or before), or why not. `error` is one that writeAuditEvents throws. */
export type EachOutcome =
  | { readonly stored: true; readonly event: StoredEvent }
  | { readonly stored: false; readonly error: Error };

/*
 * Caller: the api, for single events of different requests, outside of any transaction.
 * Locks: the new ids. It waits for another statement that inserts one of them.
 * Crash: all new events are committed, or none.
 */
const insertNew = `
  with incoming as materialized (${incomingEvents}
  )
  ${insertIncoming}
  where not exists (select from (select 1) one ${whereTaken('incoming.id')})
  on conflict (id, occurred_at) do nothing
  returning a.id::text, 'created' as outcome, ${eventJson} as json`;

/*
 * Caller: storeEachEvent, to compare events whose ids are stored already.
 * Locks: none.
 * Crash: nothing is written.
 */
const findStored = `
  select a.id::text, 'existing' as outcome, ${eventJson} as json
  from json_array_elements_text($1::text::json) as wanted (id)
  ${whereTaken('wanted.id::uuid')}
  join audit_log a on a.id = taken.id and a.occurred_at = taken.occurred_at`;

/**
 * Writes events, whose ids must all differ, in one transaction; they are on disk when it resolves. Each has its own outcome,
 * in the order of `events`: a refused event does not prevent the others. Throws only errors that concern all of them, such
 * as a database that is down.
 */
export async function storeEachEvent(
  db: Database,
  events: readonly IdentifiedEvent[],
  triesLeft = 5,
): Promise<EachOutcome[]> {
  if (events.length === 0) return [];
  try {
    const created = await run(db, insertNew, encodeParameters(events));
    if (created.size === events.length) return events.map(({ id }) => stored(created.get(id) as StoredEvent));
    const others = events.flatMap(({ id }) => (created.has(id) ? [] : [id]));
    const existing = await run(db, findStored, [JSON.stringify(others)]);
    return events.map((event) => {
      const row = created.get(event.id);
      return row ? stored(row) : compare(event, existing.get(event.id));
    });
  } catch (error) {
    const impossible = isMonthMissing(error) ? await makeMonths(db, listEventTimes(events)) : null;
    const refused = impossible && FutureEventError.fromMonths(impossible, events, error);
    if (refused) return storeOthers(db, events, refused);
    // Another statement took an id after this one had found it free. The retry finds the event.
    if (triesLeft > 0 && (impossible || isIdTaken(error))) return storeEachEvent(db, events, triesLeft - 1);
    return storeOthers(db, events, error);
  }
}

/** After an error nothing is stored. Rejects the event that caused it and stores the others. */
async function storeOthers(db: Database, events: readonly IdentifiedEvent[], error: unknown): Promise<EachOutcome[]> {
  const refused = error instanceof FutureEventError ? error : toEventRefusedError(error, events);
  const cause = toDatabaseError(error);
  const isAboutAnEvent = refused !== null || (cause !== null && (cause.kind === 'data' || cause.constraint !== null));
  if (!isAboutAnEvent) throw error;
  if (events.length === 1) return [{ stored: false, error: refused ?? (error as Error) }];
  // If the error does not name the event, halving finds it.
  const [from, to] = refused ? [refused.index, refused.index + 1] : [0, events.length >> 1];
  const rejected = refused
    ? [{ stored: false as const, error: refused }]
    : await storeEachEvent(db, events.slice(from, to));
  const others = await storeEachEvent(db, [...events.slice(0, from), ...events.slice(to)]);
  return [...others.slice(0, from), ...rejected, ...others.slice(from)];
}

function compare(event: IdentifiedEvent, row: StoredEvent | undefined): EachOutcome {
  if (row && sameContent(event, row.json)) return stored(row);
  const message = row ? `The audit event ${event.id} is stored already with other content.` : removedMessage;
  return { stored: false, error: new AuditConflictError(0, message) };
}

function stored(event: StoredEvent): EachOutcome {
  return { stored: true, event };
}

async function run(db: Database, statement: string, parameters: string[]): Promise<Map<string, StoredEvent>> {
  const rows = await db.query((sql) => sql.unsafe<StoredEvent[]>(statement, parameters, { prepare: true }));
  return new Map(rows.map((row) => [row.id, row]));
}
