import type { Database } from '../database/connect.ts';
import { toDatabaseError } from '../database/database-error.ts';
import { lacksPartition, makePartitions } from '../months/make-partitions.ts';
import { eventJson } from '../sql/event-json.ts';
import { type IdentifiedEvent, incomingEvents, insertIncoming, parametersOf } from './event-record.ts';
import { AuditConflictError, FutureEventError, isTaken, refusalOf, removedMessage } from './event-refused.ts';
import { sameContent } from './same-content.ts';
import { timesOf } from './times-of.ts';
import { whereTaken } from './where-taken.ts';
import type { WrittenEvent } from './write-events.ts';

/** A stored event; `json` is as `GET /audit/:id` shows it. */
export interface StoredEvent extends WrittenEvent {
  readonly json: string;
}

/** What came of one event: stored (or stored before), or why it was not; `error` is of the kinds of writeAuditEvents. */
export type EachOutcome =
  | { readonly stored: true; readonly event: StoredEvent }
  | { readonly stored: false; readonly error: Error };

/*
 * Called by the api for single events of different callers, outside of any transaction. Locks nothing but the new rows'
 * ids; waits for a statement that is inserting one of them. If we die right after: all new ones are committed or none.
 */
const insertNew = `
  with incoming as materialized (${incomingEvents}
  )
  ${insertIncoming}
  where not exists (select from (select 1) one ${whereTaken('incoming.id')})
  on conflict (id, occurred_at) do nothing
  returning a.id::text, 'created' as outcome, ${eventJson} as json`;

/* Called when an id was there already, to compare. Takes no locks. */
const findStored = `
  select a.id::text, 'existing' as outcome, ${eventJson} as json
  from json_array_elements_text($1::text::json) as wanted (id)
  ${whereTaken('wanted.id::uuid')}
  join audit_log a on a.id = taken.id and a.occurred_at = taken.occurred_at`;

/**
 * Writes events whose ids are all different in one transaction; they are on disk when it resolves. Each has an outcome
 * of its own, in the order of `events`: one that is refused takes no other along. Throws only what concerns all of
 * them, such as a database that is down.
 */
export async function storeEachEvent(
  db: Database,
  events: readonly IdentifiedEvent[],
  triesLeft = 5,
): Promise<EachOutcome[]> {
  if (events.length === 0) return [];
  try {
    const created = await ask(db, insertNew, parametersOf(events));
    if (created.size === events.length) return events.map(({ id }) => stored(created.get(id) as StoredEvent));
    const others = events.flatMap(({ id }) => (created.has(id) ? [] : [id]));
    const existing = await ask(db, findStored, [JSON.stringify(others)]);
    return events.map((event) => {
      const row = created.get(event.id);
      return row ? stored(row) : compare(event, existing.get(event.id));
    });
  } catch (error) {
    const impossible = lacksPartition(error) ? await makePartitions(db, timesOf(events)) : null;
    const refused = impossible && FutureEventError.ofMonths(impossible, events, error);
    if (refused) return setAside(db, events, refused);
    // Another statement took an id since this one looked: now it is found.
    if (triesLeft > 0 && (impossible || isTaken(error))) return storeEachEvent(db, events, triesLeft - 1);
    return setAside(db, events, error);
  }
}

/** After a fault nothing is stored: the event to blame is set aside, the others are written again. */
async function setAside(db: Database, events: readonly IdentifiedEvent[], error: unknown): Promise<EachOutcome[]> {
  const refused = error instanceof FutureEventError ? error : refusalOf(error, events);
  const fault = toDatabaseError(error);
  const blamesData = refused !== null || (fault !== null && (fault.kind === 'data' || fault.constraint !== null));
  if (!blamesData) throw error;
  if (events.length === 1) return [{ stored: false, error: refused ?? (error as Error) }];
  // Without a name for the culprit, halves find it.
  const [from, to] = refused ? [refused.index, refused.index + 1] : [0, events.length >> 1];
  const aside = refused
    ? [{ stored: false as const, error: refused }]
    : await storeEachEvent(db, events.slice(from, to));
  const rest = await storeEachEvent(db, [...events.slice(0, from), ...events.slice(to)]);
  return [...rest.slice(0, from), ...aside, ...rest.slice(from)];
}

function compare(event: IdentifiedEvent, row: StoredEvent | undefined): EachOutcome {
  if (row && sameContent(event, row.json)) return stored(row);
  const message = row ? `The audit event ${event.id} is stored already, with other content.` : removedMessage;
  return { stored: false, error: new AuditConflictError(0, message) };
}

function stored(event: StoredEvent): EachOutcome {
  return { stored: true, event };
}

async function ask(db: Database, statement: string, parameters: string[]): Promise<Map<string, StoredEvent>> {
  const rows = await db.query((sql) => sql.unsafe<StoredEvent[]>(statement, parameters, { prepare: true }));
  return new Map(rows.map((row) => [row.id, row]));
}
