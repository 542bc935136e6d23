import { finish, type RunSteps, type Steps } from '@auditbox/core/steps.ts';
import type { SQL } from 'drizzle-orm';
import { eventLine, micros } from './event-line.ts';
import {
  type EventInsert,
  eventInserts,
  type IdentifiedEvent,
  identify,
  insertKind,
  type TracedEvent,
} from './event-record.ts';
import { AuditConflictError, toEventRefusedError } from './event-refused-error.ts';
import { conflictMessage, isRepeated, type StoredContent } from './repeated-event.ts';
import { findTaken, whereTaken } from './where-taken.ts';

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

/** A stored event that can be printed. */
export interface WrittenLine extends WrittenEvent {
  /** Makes the event's line, in the form of `GET /audit/:id`. Only for events with an origin. */
  line(): string;
}

/*
 * If any id is stored already, it inserts nothing and returns the stored ids; else it inserts all, and the trigger adds the
 * outbox rows. One statement, so that an error of the driver cannot separate its parts. It looks for the ids in the outbox
 * alone: a look into audit_log would lock every month and all indexes of it.
 *
 * Caller: the api outside of any transaction, and services in their own.
 * Locks: the new ids. A second call with one of them waits, and gets a unique violation when this one commits.
 * Crash: all or nothing is committed; the same call again returns which.
 */
const insertUnlessTaken = {
  // The role of services may not read the recorded time.
  service: createStatement(eventInserts.service, { column: 'id', time: 'null' }),
  api: createStatement(eventInserts.api, { column: 'recorded_at', time: micros('max(recorded_at)') }),
} as const;

function createStatement(
  { incomingEvents, insertIncoming }: EventInsert,
  { column, time }: { readonly column: string; readonly time: string },
): string {
  return `
  with incoming as materialized (${incomingEvents}
  ), existing as materialized (
    select taken.id from incoming ${whereTaken('incoming.id')}
  ), inserted as (${insertIncoming}
    where not exists (select from existing)
    returning a.${column}
  )
  -- All rows of a statement have the same time.
  select null as id, ${time} as "recordedAt" from inserted having count(*) > 0
  union all
  select id::text, null from existing`;
}

/** An event that is stored under an id; `json` is null if retention removed it. */
type Found = Omit<StoredContent, 'json'> & { readonly id: string; readonly json: string | null };

/**
 * Writes audit events in the executor's transaction, all of them or none; the table's trigger writes their outbox rows. An
 * event that is stored already with the same id and content counts as written.
 *
 * The result is in the order of `events`. Throws AuditConflictError (the id is stored with other content) and
 * FutureEventError, each with the event's index; inside a transaction the caller must roll back, as after any error.
 */
export async function writeAuditEvents(executor: Executor, events: readonly TracedEvent[]): Promise<WrittenEvent[]> {
  const written = await writeAuditLines(executor, events);
  return written.map(({ id, outcome }) => ({ id, outcome }));
}

/** As writeAuditEvents, for a caller that may also print what was stored. `run` compares the events with those that are stored. */
export async function writeAuditLines(
  executor: Executor,
  events: readonly TracedEvent[],
  run: RunSteps = finish,
): Promise<WrittenLine[]> {
  const identified = events.map(identify);
  const indexOf = new Map(identified.map(({ id }, index) => [id, index]));
  if (indexOf.size < events.length) throw new Error('Two events of one call have the same id.');
  const existing = new Map<string, string>();
  let recordedAt: string | null = null;
  for (let missing = identified; missing.length > 0; ) {
    const answers = await insertUnlessAnyExists(executor, missing, identified);
    const [first] = answers;
    if (first === undefined) throw new Error('The database did not store the events and did not find them.');
    if (first.id === null) {
      recordedAt = first.recordedAt;
      break;
    }
    const found = await findStored(executor, answers);
    for (const [id, json] of await run(compareAll(found, identified, indexOf))) existing.set(id, json);
    missing = missing.filter(({ id }) => !existing.has(id));
  }
  return identified.map((event) => {
    const json = existing.get(event.id);
    const { id } = event;
    if (json !== undefined) return { id, outcome: 'existing', line: () => json };
    return { id, outcome: 'created', line: () => printNew(event, recordedAt) };
  });
}

/** The lines of the events that are stored, by their ids. Throws AuditConflictError for the first one that differs. */
function* compareAll(
  found: readonly Found[],
  events: readonly IdentifiedEvent[],
  indexOf: ReadonlyMap<string, number>,
): Steps<Map<string, string>> {
  const lines = new Map<string, string>();
  for (const { id, json, ...stored } of found) {
    yield;
    const index = indexOf.get(id) ?? -1;
    const event = events[index];
    if (json === null || (event && !(yield* isRepeated(event, { ...stored, json }))))
      throw new AuditConflictError(index, conflictMessage(id));
    lines.set(id, json);
  }
  return lines;
}

function printNew(event: IdentifiedEvent, recordedAt: string | null): string {
  if (recordedAt === null) throw new TypeError('An event without an origin has no known recorded time.');
  return eventLine(event, { recordedAt });
}

/** What the database answers: that all were inserted, or an id that is stored. */
type Answer = { readonly id: null; readonly recordedAt: string | null } | { readonly id: string };

/** One row without an id if all were inserted, else the ids that are stored. */
async function insertUnlessAnyExists(
  executor: Executor,
  events: readonly IdentifiedEvent[],
  all: readonly IdentifiedEvent[],
): Promise<Answer[]> {
  const kind = insertKind(events);
  try {
    return await query(executor, insertUnlessTaken[kind], eventInserts[kind].encodeMany(events));
  } catch (error) {
    throw toEventRefusedError(error, all) ?? error;
  }
}

/** Events never change, so they may be read by a second statement. */
function findStored(executor: Executor, taken: readonly { readonly id: string | null }[]): Promise<Found[]> {
  return query(executor, findTaken, [JSON.stringify(taken.map(({ id }) => id))]);
}

async function query<Row>(executor: Executor, statement: string, parameters: string[]): Promise<Row[]> {
  const result = await send(executor, statement, parameters);
  return (Array.isArray(result) ? result : (result as { rows: Row[] }).rows) as Row[];
}

async function send(executor: Executor, statement: string, parameters: string[]): Promise<unknown> {
  if ('unsafe' in executor) return executor.unsafe(statement, parameters, { prepare: true });
  // Such an executor is drizzle's own, so drizzle is loaded. The api does without, and starts a second earlier.
  const { sql } = await import('drizzle-orm');
  const parts = statement.split(/(\$\d+)/).map((part) => {
    const number = /^\$(\d+)$/.exec(part)?.[1];
    return number === undefined ? sql.raw(part) : sql`${parameters[Number(number) - 1]}`;
  });
  return executor.execute(sql.join(parts));
}
