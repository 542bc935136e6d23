import { toJsonText } from './json-text.ts';

/** An audit event, with the field names of the wire. A value is any JSON value, or a `JsonText` to keep its digits. */
export interface AuditEvent {
  /** A UUID. With an id the write may be repeated: the second one changes nothing. */
  readonly id?: string;
  /** When the change happened: RFC 3339 with an offset. The time of the statement unless given. */
  readonly updated_at?: string | Date;
  readonly changed_by: string;
  readonly changed_by_api_key?: string;
  readonly action: string;
  readonly table_name: string;
  readonly object_id: string;
  readonly before_value?: unknown;
  readonly updated_values?: unknown;
  /** A JSON object. */
  readonly context?: unknown;
}

/**
 * An event lacks a name or has an invalid time. Nothing was sent.
 *
 * @public for services that catch it
 */
export class InvalidAuditEventError extends Error {
  override readonly name = 'InvalidAuditEventError';
  readonly code = 'INVALID_AUDIT_EVENT';
}

/** Prints events as one JSON array. Values keep their text. Throws InvalidAuditEventError. */
export function printEvents(events: readonly AuditEvent[]): string {
  return `[${events.map(printEvent).join(',')}]`;
}

const names = ['changed_by', 'action', 'table_name', 'object_id'] as const;
const values = ['before_value', 'updated_values', 'context'] as const;

function printEvent(event: AuditEvent, index: number): string {
  for (const name of names)
    if (typeof event[name] !== 'string' || event[name] === '')
      throw new InvalidAuditEventError(`Event ${index}: ${name} must be a text that is not empty.`);
  const texts: Record<string, string | null> = {};
  for (const name of ['id', 'changed_by_api_key', ...names] as const) texts[name] = toJsonText(event[name]);
  for (const name of values) texts[name] = toJsonText(event[name]);
  texts.updated_at = toJsonText(printTime(event.updated_at, index));
  const members = Object.entries(texts).flatMap(([name, text]) => (text === null ? [] : [`"${name}":${text}`]));
  return `{${members.join(',')}}`;
}

/** Without an offset the session's time zone would decide which instant it is. */
const withOffset = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/i;

function printTime(time: string | Date | undefined, index: number): string | undefined {
  if (time === undefined) return undefined;
  const isValid = time instanceof Date ? !Number.isNaN(time.getTime()) : withOffset.test(time);
  if (!isValid) throw new InvalidAuditEventError(`Event ${index}: updated_at must be RFC 3339 with an offset.`);
  return time instanceof Date ? time.toISOString() : time;
}
