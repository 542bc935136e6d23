import { finish, type RunSteps, type Steps } from '@auditbox/core/steps.ts';
import type { Database } from '../database/connect.ts';
import { toDatabaseError } from '../database/database-error.ts';
import { isMonthMissing, toMonth } from '../months/make-months.ts';
import { createMonthMaker, type MonthMaker } from '../months/month-maker.ts';
import { epochMicros, eventLine, type RecordedRow } from './event-line.ts';
import { type EventInsert, eventInserts, type IdentifiedEvent, insertKind } from './event-record.ts';
import {
  AuditConflictError,
  isIdTaken,
  isSequenceBehind,
  toEventRefusedError,
  toMonthError,
} from './event-refused-error.ts';
import { conflictMessage, isRepeated, type StoredContent } from './repeated-event.ts';
import { findTaken } from './where-taken.ts';
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
 * Both statements insert the events whose ids are free. An id that is stored at the same time is left out; one that is
 * stored at another time is an error of the trigger.
 *
 * Caller: the api, for single events of different requests, outside of any transaction.
 * Locks: the new ids. It waits for another statement that inserts one of them.
 * Crash: all new events are committed, or none.
 */
const returning = `returning a.id::text, ${epochMicros('recorded_at')} as "recordedAt"`;
const returningWriter = `${returning}, a.recorded_by as "recordedBy"`;
const statements = {
  // The database names the login, which this process may not know: a pooler can log in as somebody else.
  service: createStatements(eventInserts.service, returningWriter),
  api: createStatements(eventInserts.api, returning),
} as const;

function createStatements({ insertOne, incomingEvents, insertIncoming }: EventInsert, returned: string) {
  return {
    single: `${insertOne} ${returned}`,
    several: `
  with incoming as (${incomingEvents}
  )
  ${insertIncoming}
  on conflict do nothing
  ${returned}`,
  };
}

type Taken = ReadonlyMap<string, Omit<StoredContent, 'json'> & { readonly json: string | null }>;

/**
 * Writes events, whose ids must all differ, in one transaction; they are on disk when it resolves. Each has its own outcome,
 * in the order of `events`: a refused event does not prevent the others. Missing months are made by `months`, on its own
 * connection. `run` compares events with those that are stored. Throws only errors that concern all events, such as a database that is down.
 */
export async function storeEachEvent(
  db: Database,
  events: readonly IdentifiedEvent[],
  months: MonthMaker = createMonthMaker(db),
  run: RunSteps = finish,
  triesLeft = 5,
): Promise<EachOutcome[]> {
  if (events.length === 0) return [];
  const again: Store = (all) => storeEachEvent(db, all, months, run, triesLeft - 1);
  // Fewer events than now, so this ends.
  const storeRest: Store = (rest) => storeEachEvent(db, rest, months, run);
  try {
    const created = await insert(db, events);
    const others = events.filter(({ id }) => !created.has(id));
    const compared = others.length === 0 ? null : await run(compareAll(others, await findEvents(db, others)));
    return events.map((event) => {
      const row = created.get(event.id);
      if (row === undefined) return compared?.get(event) as EachOutcome;
      return { stored: true, event: { id: event.id, outcome: 'created', json: eventLine(event, row) } };
    });
  } catch (error) {
    // Nothing is stored after an error.
    if (triesLeft <= 0) return storeOthers(events, error, storeRest);
    if (isMonthMissing(error)) return storeByMonth(events, months, again);
    if (isIdTaken(error)) {
      const taken = await findEvents(db, events);
      const compared = await run(
        compareAll(
          events.filter(({ id }) => taken.has(id)),
          taken,
        ),
      );
      return storeApart(events, again, (event) => compared.get(event) ?? null);
    }
    // Two statements waited for each other's ids.
    if (toDatabaseError(error)?.code === '40P01') return again(events);
    return storeOthers(events, error, storeRest);
  }
}

type Store = (events: readonly IdentifiedEvent[]) => Promise<EachOutcome[]>;

/** Stores the events without an outcome together, and returns all outcomes in order. */
async function storeApart(
  events: readonly IdentifiedEvent[],
  store: Store,
  outcomeOf: (event: IdentifiedEvent) => EachOutcome | null,
): Promise<EachOutcome[]> {
  const known = events.map(outcomeOf);
  const others = await store(events.filter((_event, index) => known[index] === null));
  return known.map((outcome) => outcome ?? (others.shift() as EachOutcome));
}

/** Events of months that exist do not wait for the months that are made, and are stored when such a month cannot be made. */
async function storeByMonth(
  events: readonly IdentifiedEvent[],
  months: MonthMaker,
  store: Store,
): Promise<EachOutcome[]> {
  const missing = await months.listMissing(events.map(toEventMonth));
  const absent = events.filter((event) => missing.has(toEventMonth(event)));
  const [present, made] = await Promise.all([
    store(events.filter((event) => !missing.has(toEventMonth(event)))),
    storeInNewMonths(absent, [...missing], months, store),
  ]);
  return events.map((event) => (missing.has(toEventMonth(event)) ? made : present).shift() as EachOutcome);
}

async function storeInNewMonths(
  events: readonly IdentifiedEvent[],
  missing: readonly string[],
  months: MonthMaker,
  store: Store,
): Promise<EachOutcome[]> {
  const outcomes = await Promise.all(missing.map((month) => months.make(month)));
  const errors = new Map(missing.map((month, index) => [month, toMonthError(outcomes[index], 0)]));
  return storeApart(events, store, (event) => {
    const error = errors.get(toEventMonth(event));
    return error ? { stored: false, error } : null;
  });
}

/** The month that an event needs. For an event without a time it is the present one. */
export function toEventMonth({ occurredAt }: Pick<IdentifiedEvent, 'occurredAt'>): string {
  return toMonth(occurredAt?.utc ?? new Date().toISOString());
}

/** Rejects the event that caused an error and stores the others. If the error does not name the event, halving finds it. */
async function storeOthers(events: readonly IdentifiedEvent[], error: unknown, store: Store): Promise<EachOutcome[]> {
  const refused = toEventRefusedError(error, events);
  const cause = toDatabaseError(error);
  const isAboutAnEvent = refused !== null || (cause !== null && (cause.kind === 'data' || cause.constraint !== null));
  if (!isAboutAnEvent || isSequenceBehind(error)) throw error;
  if (events.length === 1) return [{ stored: false, error: refused ?? (error as Error) }];
  if (refused === null || refused.index === -1) {
    const middle = events.length >> 1;
    return [...(await store(events.slice(0, middle))), ...(await store(events.slice(middle)))];
  }
  return storeApart(events, store, (event) =>
    event === events[refused.index] ? { stored: false, error: refused } : null,
  );
}

function* compareAll(
  events: readonly IdentifiedEvent[],
  taken: Taken,
): Steps<ReadonlyMap<IdentifiedEvent, EachOutcome>> {
  const outcomes = new Map<IdentifiedEvent, EachOutcome>();
  for (const event of events) {
    yield;
    outcomes.set(event, yield* compare(event, taken));
  }
  return outcomes;
}

function* compare(event: IdentifiedEvent, taken: Taken): Steps<EachOutcome> {
  const found = taken.get(event.id);
  const json = found?.json ?? null;
  if (found !== undefined && json !== null && (yield* isRepeated(event, { ...found, json })))
    return { stored: true, event: { id: event.id, outcome: 'existing', json } };
  return { stored: false, error: new AuditConflictError(0, conflictMessage(event.id)) };
}

/** What the database added to the events that were inserted, by id. */
async function insert(db: Database, events: readonly IdentifiedEvent[]): Promise<ReadonlyMap<string, RecordedRow>> {
  const [single] = events;
  const kind = insertKind(events);
  const { encodeOne, encodeMany } = eventInserts[kind];
  const rows = await db.query((sql) => {
    const [statement, parameters] =
      single !== undefined && events.length === 1
        ? [statements[kind].single, encodeOne(single)]
        : [statements[kind].several, encodeMany(events)];
    return sql.unsafe<(RecordedRow & { readonly id: string })[]>(statement, parameters, { prepare: true });
  });
  return new Map(rows.map((row) => [row.id, row]));
}

async function findEvents(db: Database, events: readonly IdentifiedEvent[]): Promise<Taken> {
  if (events.length === 0) return new Map();
  const ids = JSON.stringify(events.map(({ id }) => id));
  const rows = await db.query((sql) =>
    sql.unsafe<(Omit<StoredContent, 'json'> & { id: string; json: string | null })[]>(findTaken, [ids], {
      prepare: true,
    }),
  );
  return new Map(rows.map((row) => [row.id, row]));
}
