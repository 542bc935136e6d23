import type { IdentifiedEvent } from './event-record.ts';

/**
 * The line of an event that was just inserted, in the bytes of `eventJson`. Node makes it, because Postgres would take as
 * long for it as for a third of the insert. `recordedAt` is what `epochMicros` printed; an event without a time has it as
 * its event time too.
 */
export function eventLine(event: IdentifiedEvent, recordedAt: string): string {
  const recorded = printInstant(recordedAt);
  const { occurredAt } = event;
  const time = occurredAt === null ? recorded : cutDigits(occurredAt.utc, occurredAt.fractionDigits);
  return (
    `{"id":"${event.id}","updated_at":"${time}","changed_by":${JSON.stringify(event.changedBy)}` +
    `,"changed_by_api_key":${JSON.stringify(event.changedByApiKey ?? '')},"action":${JSON.stringify(event.action)}` +
    `,"table_name":${JSON.stringify(event.tableName)},"object_id":${JSON.stringify(event.objectId)}` +
    `,"before_value":${event.beforeValue ?? 'null'},"updated_values":${event.updatedValues ?? 'null'}` +
    `,"context":${event.context ?? 'null'},"recorded_at":"${recorded}"}`
  );
}

/** A time of row `a` as microseconds since 1970: a number has one text form, whatever the settings of a session. */
export function epochMicros(column: string): string {
  return `(extract(epoch from a.${column}) * 1000000)::bigint::text`;
}

function printInstant(micros: string): string {
  const seconds = Number(micros.slice(0, -6));
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${micros.slice(-6)}Z`;
}

function cutDigits(utc: string, digits: number): string {
  return `${utc.slice(0, digits === 0 ? 19 : 20 + digits)}Z`;
}
