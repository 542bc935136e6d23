import { randomBytes, randomFillSync } from 'node:crypto';
import type { NewAuditEvent } from '@auditbox/core/event/audit-event.ts';
import { isTraceparent } from '@auditbox/core/event/traceparent.ts';
import { v7 as uuidv7 } from 'uuid';

/** An event to be written, and where the request that brought it is traced; that is stored, but is no part of the event. */
export interface TracedEvent extends NewAuditEvent {
  /** Of W3C Trace Context. One that is none is not stored: no event is refused for it. */
  readonly traceparent?: string | undefined;
}

/** An event that has its id. */
export type IdentifiedEvent = TracedEvent & { readonly id: string };

/** Gives an event an id unless it has one. Version 7, RFC 9562: near in time is near in the index. */
export function identify(event: TracedEvent): IdentifiedEvent {
  return { ...event, id: event.id?.toLowerCase() ?? uuidv7({ rng: nextRandom }) };
}

const random = Buffer.alloc(16 * 512);
let used = random.length;

/** Randomness by the kilobyte: to ask the system for it costs more than all else about an id. */
function nextRandom(): Buffer {
  if (used === random.length) {
    randomFillSync(random);
    used = 0;
  }
  used += 16;
  return random.subarray(used - 16, used);
}

interface Column {
  readonly name: string;
  /** As SQL, from the column's text. */
  readonly read: (text: string) => string;
  readonly textOf: (event: IdentifiedEvent) => string;
}

/**
 * The columns of incoming events. Each goes to the server as one text in which a delimiter separates the rows, and is
 * split there: `json_to_recordset` parses every value three times and takes three times as long. An empty text
 * stands for null where null may be; where it may not, null is what became of empty texts alone.
 */
const columns: readonly Column[] = [
  { name: 'id', read: (text) => `${text}::uuid`, textOf: ({ id }) => id },
  {
    name: 'occurred_at',
    read: (text) => `nullif(${text}, '')::timestamptz`,
    textOf: ({ occurredAt }) => occurredAt?.utc ?? '',
  },
  { name: 'occurred_at_digits', read: (text) => `${text}::smallint`, textOf: digitsOf },
  { name: 'changed_by', read: (text) => `coalesce(${text}, '')`, textOf: ({ changedBy }) => changedBy },
  {
    name: 'changed_by_api_key',
    read: (text) => `coalesce(${text}, '')`,
    textOf: ({ changedByApiKey }) => changedByApiKey ?? '',
  },
  { name: 'action', read: (text) => `coalesce(${text}, '')`, textOf: ({ action }) => action },
  { name: 'table_name', read: (text) => `coalesce(${text}, '')`, textOf: ({ tableName }) => tableName },
  { name: 'object_id', read: (text) => `coalesce(${text}, '')`, textOf: ({ objectId }) => objectId },
  { name: 'before_value', read: (text) => `nullif(${text}, '')::json`, textOf: ({ beforeValue }) => beforeValue ?? '' },
  {
    name: 'updated_values',
    read: (text) => `nullif(${text}, '')::json`,
    textOf: ({ updatedValues }) => updatedValues ?? '',
  },
  { name: 'context', read: (text) => `nullif(${text}, '')::json`, textOf: ({ context }) => context ?? '' },
  { name: 'traceparent', read: (text) => `nullif(${text}, '')`, textOf: tracedAt },
];
const names = columns.map(({ name }) => name);

/** `select` of the events behind the parameters of `parametersOf`. */
export const incomingEvents = `
    select ${columns.map(({ name, read }) => `${read(name)} as ${name}`).join(', ')}
    from rows from (
      ${columns.map((_column, index) => `string_to_table($${index + 2}::text, $1::text)`).join(', ')}
    ) as event (${names.join(', ')})`;

/** Inserts the rows of `incoming`; what comes behind may narrow them. */
export const insertIncoming = `
    insert into audit_log as a (${names.join(', ')})
    select ${names.join(', ').replace('occurred_at', 'coalesce(occurred_at, statement_timestamp())')}
    from incoming`;

/**
 * Events as the parameters of `incomingEvents`: the delimiter, then a text for each column. The delimiter is U+001F, which
 * stands in no JSON text and no sensible name; beside a name that has it, one that nobody can guess.
 */
export function parametersOf(events: readonly IdentifiedEvent[]): string[] {
  const texts = columns.map(({ textOf }) => events.map(textOf));
  const isTaken = texts.some((rows) => rows.some((text) => text.includes('\x1f')));
  const delimiter = isTaken ? `\x1f${randomBytes(16).toString('hex')}\x1f` : '\x1f';
  // A column in which nobody says anything is one empty text, which the server need not split: its rows are null.
  const isSilent = (rows: readonly string[]) => rows.every((text) => text === '');
  return [delimiter, ...texts.map((rows) => (isSilent(rows) ? '' : rows.join(delimiter)))];
}

function digitsOf({ occurredAt }: IdentifiedEvent): string {
  return String(occurredAt?.fractionDigits ?? 6);
}

function tracedAt({ traceparent = '' }: IdentifiedEvent): string {
  return isTraceparent(traceparent) ? traceparent : '';
}
