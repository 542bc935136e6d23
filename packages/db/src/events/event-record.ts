import { randomBytes, randomFillSync } from 'node:crypto';
import type { NewAuditEvent } from '@auditbox/core/event/audit-event.ts';
import { isTraceparent } from '@auditbox/core/event/traceparent.ts';
import { v7 as uuidv7 } from 'uuid';

/** An event to be written, and the trace of its request. The trace is stored next to the event and is not part of it. */
export interface TracedEvent extends NewAuditEvent {
  /** From W3C Trace Context. An invalid one is not stored; the event is stored without it. */
  readonly traceparent?: string | undefined;
  /** What the api says of the writer. Missing for services that write by SQL: there the database names the login. */
  readonly origin?: EventOrigin;
}

/** Who wrote an event, and what came of it. All events of a statement have an origin, or none has. */
interface EventOrigin {
  /** Such as `key:<id>:<name>`. */
  readonly recordedBy: string;
  /** Of the content as it was sent, 32 hexadecimal digits; null for events that nobody sends again. */
  readonly contentHash: string | null;
  /** JSON Pointers to the replaced values, as a JSON array; null if nothing was replaced. */
  readonly redacted: string | null;
  /** A repetition must be the same bytes: the id was made of a key of the request, which stands for the whole body. */
  readonly isExact?: boolean;
}

/** An event with an id. */
export type IdentifiedEvent = TracedEvent & { readonly id: string };

/** Gives an event an id unless it has one. Ids of version 7 (RFC 9562) that are near in time are near in the index. */
export function identify(event: TracedEvent): IdentifiedEvent {
  return { ...event, id: event.id?.toLowerCase() ?? uuidv7({ rng: nextRandom }) };
}

const random = Buffer.alloc(16 * 512);
let used = random.length;

/** Reads 8 KiB of randomness at a time, because a call to the system costs more than the rest of an id. */
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
  /** SQL that makes the value from the column's text. */
  readonly read: (text: string) => string;
  readonly encode: (event: IdentifiedEvent) => string;
  /** SQL that makes the value from a parameter with its text, where a cast alone does not. */
  readonly readOne?: (parameter: string) => string;
  /** Whether an empty text means null. */
  readonly isNullable?: true;
}

/**
 * The columns of incoming events. Each is sent as one text in which a delimiter separates the rows, and the server splits
 * it. `json_to_recordset` would parse every value three times and take three times as long. In a column that may be null,
 * an empty text means null. In the other columns null is turned back into an empty text, because a column of empty texts
 * arrives as nulls.
 */
const eventColumns: readonly Column[] = [
  { name: 'id', read: (text) => `${text}::uuid`, encode: ({ id }) => id },
  {
    name: 'occurred_at',
    read: (text) => `nullif(${text}, '')::timestamptz`,
    encode: ({ occurredAt }) => occurredAt?.utc ?? '',
    isNullable: true,
  },
  { name: 'occurred_at_digits', read: (text) => `${text}::smallint`, encode: encodeDigits },
  { name: 'changed_by', read: (text) => `coalesce(${text}, '')`, encode: ({ changedBy }) => changedBy },
  {
    name: 'changed_by_api_key',
    read: (text) => `coalesce(${text}, '')`,
    encode: ({ changedByApiKey }) => changedByApiKey ?? '',
  },
  { name: 'action', read: (text) => `coalesce(${text}, '')`, encode: ({ action }) => action },
  { name: 'table_name', read: (text) => `coalesce(${text}, '')`, encode: ({ tableName }) => tableName },
  { name: 'object_id', read: (text) => `coalesce(${text}, '')`, encode: ({ objectId }) => objectId },
  {
    name: 'before_value',
    read: (text) => `nullif(${text}, '')::json`,
    encode: ({ beforeValue }) => beforeValue ?? '',
    isNullable: true,
  },
  {
    name: 'updated_values',
    read: (text) => `nullif(${text}, '')::json`,
    encode: ({ updatedValues }) => updatedValues ?? '',
    isNullable: true,
  },
  {
    name: 'context',
    read: (text) => `nullif(${text}, '')::json`,
    encode: ({ context }) => context ?? '',
    isNullable: true,
  },
  { name: 'traceparent', read: (text) => `nullif(${text}, '')`, encode: encodeTraceparent, isNullable: true },
  { name: 'tenant', read: (text) => `coalesce(${text}, '')`, encode: ({ tenant }) => tenant },
];

/** Columns that a service may not set. */
const originColumns: readonly Column[] = [
  { name: 'recorded_by', read: (text) => `coalesce(${text}, '')`, encode: ({ origin }) => origin?.recordedBy ?? '' },
  {
    name: 'redacted',
    read: (text) => `nullif(${text}, '')::json`,
    encode: ({ origin }) => origin?.redacted ?? '',
    isNullable: true,
  },
  {
    name: 'content_hash',
    read: (text) => `decode(nullif(${text}, ''), 'hex')`,
    readOne: (parameter) => `decode(${parameter}::text, 'hex')`,
    encode: ({ origin }) => origin?.contentHash ?? '',
    isNullable: true,
  },
];

/** The parts of statements that insert events. */
export interface EventInsert {
  /** Inserts the one event in the parameters of `encodeOne`, unless its id is taken at the same time. */
  readonly insertOne: string;
  /** A `select` of the events in the parameters of `encodeMany`. */
  readonly incomingEvents: string;
  /** Inserts the rows of `incoming`. A `where` may follow. */
  readonly insertIncoming: string;
  /** The values of an event in the order of the columns. */
  encodeOne(event: IdentifiedEvent): (string | null)[];
  encodeMany(events: readonly IdentifiedEvent[]): string[];
}

/** For events without an origin, and for those of the api. */
export const eventInserts = {
  service: createInsert(eventColumns),
  api: createInsert([...eventColumns, ...originColumns]),
} as const;

/** How these events are inserted. */
export function insertKind(events: readonly IdentifiedEvent[]): keyof typeof eventInserts {
  return events[0]?.origin === undefined ? 'service' : 'api';
}

function createInsert(columns: readonly Column[]): EventInsert {
  const names = columns.map(({ name }) => name);
  const values = columns.map(({ name, readOne }, index) => {
    const parameter = `$${index + 1}`;
    if (name === 'occurred_at') return `coalesce(${parameter}::timestamptz, statement_timestamp())`;
    return readOne === undefined ? parameter : readOne(parameter);
  });
  return {
    insertOne: `
  insert into auditbox.audit_log as a (${names.join(', ')})
  values (${values.join(', ')})
  on conflict do nothing`,
    incomingEvents: `
    select ${columns.map(({ name, read }) => `${read(name)} as ${name}`).join(', ')}
    from rows from (
      ${columns.map((_column, index) => `string_to_table($${index + 2}::text, $1::text)`).join(', ')}
    ) as event (${names.join(', ')})`,
    insertIncoming: `
    insert into auditbox.audit_log as a (${names.join(', ')})
    select ${names.join(', ').replace('occurred_at', 'coalesce(occurred_at, statement_timestamp())')}
    from incoming`,
    encodeOne: (event) =>
      columns.map(({ encode, isNullable }) => {
        const text = encode(event);
        return isNullable && text === '' ? null : text;
      }),
    encodeMany: (events) => encodeParameters(columns, events),
  };
}

/**
 * Events as the parameters of `incomingEvents`: the delimiter, then a text for each column. The delimiter is U+001F, which
 * no JSON text can contain. If a name contains it, the delimiter gets random digits that nobody can guess.
 */
function encodeParameters(columns: readonly Column[], events: readonly IdentifiedEvent[]): string[] {
  const texts = columns.map(({ encode }) => events.map(encode));
  const isUsed = texts.some((rows) => rows.some((text) => text.includes('\x1f')));
  const delimiter = isUsed ? `\x1f${randomBytes(16).toString('hex')}\x1f` : '\x1f';
  // A column without any value is one empty text, which the server does not split: its rows are null.
  const isEmpty = (rows: readonly string[]) => rows.every((text) => text === '');
  return [delimiter, ...texts.map((rows) => (isEmpty(rows) ? '' : rows.join(delimiter)))];
}

function encodeDigits({ occurredAt }: IdentifiedEvent): string {
  return String(occurredAt?.fractionDigits ?? 6);
}

function encodeTraceparent({ traceparent = '' }: IdentifiedEvent): string {
  return isTraceparent(traceparent) ? traceparent : '';
}
