import type { IdentifiedEvent } from './event-record.ts';

/** What the database adds to an event. */
export interface RecordedRow {
  /** What `epochMicros` printed. */
  readonly recordedAt: string;
  /** Missing where the event's origin has it. */
  readonly recordedBy?: string;
}

/**
 * The line of an event that was just inserted, in the bytes of `eventJson`. Node makes it, because Postgres would take as
 * long for it as for a third of the insert. An event without a time has the recorded time as its event time too.
 */
export function eventLine(event: IdentifiedEvent, { recordedAt, recordedBy }: RecordedRow): string {
  const recorded = printInstant(recordedAt);
  const { occurredAt } = event;
  const time = occurredAt === null ? recorded : cutDigits(occurredAt.utc, occurredAt.fractionDigits);
  return (
    `{"id":"${event.id}","updated_at":"${time}","changed_by":${JSON.stringify(event.changedBy)}` +
    `,"changed_by_api_key":${JSON.stringify(event.changedByApiKey ?? '')},"action":${JSON.stringify(event.action)}` +
    `,"table_name":${JSON.stringify(event.tableName)},"object_id":${JSON.stringify(event.objectId)}` +
    `,"before_value":${event.beforeValue ?? 'null'},"updated_values":${event.updatedValues ?? 'null'}` +
    `,"context":${event.context ?? 'null'},"recorded_at":"${recorded}"` +
    `,"recorded_by":${JSON.stringify(event.origin?.recordedBy ?? recordedBy ?? '')}` +
    (event.tenant === '' ? '' : `,"tenant":${JSON.stringify(event.tenant)}`) +
    (event.origin?.redacted ? `,"redacted":${event.origin.redacted}}` : '}')
  );
}

/** A time of row `a` as microseconds since 1970: a number has one text form, whatever the settings of a session. */
export function epochMicros(column: string): string {
  return micros(`a.${column}`);
}

/** As epochMicros, of any expression. */
export function micros(time: string): string {
  return `(extract(epoch from ${time} - timestamptz 'epoch') * 1000000)::bigint::text`;
}

function printInstant(micros: string): string {
  const seconds = Number(micros.slice(0, -6));
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${micros.slice(-6)}Z`;
}

function cutDigits(utc: string, digits: number): string {
  return `${utc.slice(0, digits === 0 ? 19 : 20 + digits)}Z`;
}
