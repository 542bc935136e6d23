import type { Database } from '../database/connect.ts';
import { DatabaseError } from '../database/database-error.ts';
import { eventJson } from '../sql/event-json.ts';

/*
 * Events may be large: up to a megabyte by the api, and more by SQL. A page ends at 8 MiB. Its first megabyte comes with the
 * statement that finds the events; the others are only named there, and are read one megabyte after the other while the
 * answer is sent. So a page takes little memory however slowly its caller reads.
 */

/** A page ends before the event that would make it larger, in bytes of JSON. */
export const maxPageBytes = 8 * 1024 * 1024;

/** How much of a page is in memory at once, in bytes. One event more may be. */
export const inlineBytes = 1024 * 1024;

/** An event of a page. */
export interface FoundEvent {
  readonly id: string;
  /** Its event time, ISO 8601 in UTC with microseconds. */
  readonly at: string;
  /** About the length of its JSON. */
  readonly bytes: number;
  /** Null: readPageEvents reads it. */
  readonly json: string | null;
}

/** How much of the events is in memory already, in characters of JSON. */
export function sumInline(events: readonly FoundEvent[]): number {
  return events.reduce((sum, { json }) => sum + (json?.length ?? 0), 0);
}

/** About the bytes of row `a` as JSON. The names around the values are short. */
export const estimatedBytes = `(600 + coalesce(octet_length(a.before_value::text), 0)::bigint
  + coalesce(octet_length(a.updated_values::text), 0) + coalesce(octet_length(a.context::text), 0))::float8`;

/** `at` of row `a`. */
export const instant = `to_char(a.occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** The JSON of a page's events, in order, in parts of about a megabyte. Throws DatabaseError, also if an event is gone. */
export async function* readPageEvents<T extends FoundEvent>(
  db: Database,
  events: readonly T[],
): AsyncGenerator<readonly (T & { readonly json: string })[], void> {
  for (const part of splitParts(events)) {
    const missing = part.filter(({ json }) => json === null);
    const found = missing.length === 0 ? null : await readByIds(db, missing);
    yield part.map((event) => {
      const json = event.json ?? found?.get(event.id);
      if (json === undefined)
        throw new DatabaseError('AUDIT_EVENT_GONE', `The event ${event.id} was removed while it was read.`);
      return { ...event, json };
    });
  }
}

/** Events with JSON in the first part; then events of one month in each part, because a statement locks all months it reads. */
function splitParts<T extends FoundEvent>(events: readonly T[]): T[][] {
  const parts: T[][] = [];
  let bytes = 0;
  for (const event of events) {
    const part = parts.at(-1);
    const previous = part?.at(-1);
    const goesOn =
      previous !== undefined &&
      (previous.json === null) === (event.json === null) &&
      (event.json !== null || (bytes + event.bytes <= inlineBytes && toMonth(previous) === toMonth(event)));
    if (goesOn) part?.push(event);
    else parts.push([event]);
    bytes = (goesOn ? bytes : 0) + event.bytes;
  }
  return parts;
}

function toMonth({ at }: FoundEvent): string {
  return at.slice(0, 7);
}

/**
 * Caller: pages and histories with large events.
 * Locks: none. The times lie in one month.
 * Crash: nothing is written.
 */
async function readByIds(db: Database, events: readonly FoundEvent[]): Promise<ReadonlyMap<string, string>> {
  const times = events.map(({ at }) => at).sort();
  const ids = JSON.stringify(events.map(({ id }) => id));
  const rows = await db.query(
    (sql) => sql<{ id: string; json: string }[]>`
      select a.id::text, ${sql.unsafe(eventJson)} as json from auditbox.audit_log a
      where a.id in (select value::uuid from json_array_elements_text(${ids}::text::json))
        and a.occurred_at between ${times[0] as string}::timestamptz and ${times.at(-1) as string}::timestamptz`,
  );
  return new Map(rows.map(({ id, json }) => [id, json]));
}
