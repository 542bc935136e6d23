import type { NewAuditEvent } from './audit-event.ts';
import { eventReader } from './read-event.ts';

/** An audit event as a TypeScript service gives it: field names of the wire, values as JSON.stringify prints them. */
export interface AuditEventInput {
  readonly id?: string;
  readonly updated_at?: string | Date;
  readonly changed_by: string;
  readonly changed_by_api_key?: string;
  readonly action: string;
  readonly table_name: string;
  readonly object_id: string;
  /** Any JSON value; `JSON.rawJSON('12345678901234567890')` carries digits that a JavaScript number cannot. */
  readonly before_value?: unknown;
  readonly updated_values?: unknown;
  readonly context?: Readonly<Record<string, unknown>>;
  /** Whose event it is. */
  readonly tenant?: string;
}

/**
 * The input is not a valid audit event. The message names every wrong field.
 *
 * @public for services that catch it
 */
export class InvalidAuditEventError extends Error {
  override readonly name = 'InvalidAuditEventError';
  readonly code = 'INVALID_AUDIT_EVENT';
}

const readEvent = eventReader('any');

/** Checks a service's values and returns the event. Accepts any action that is not empty. Throws InvalidAuditEventError. */
export function createAuditEvent(input: AuditEventInput): NewAuditEvent {
  const event = readEvent(JSON.stringify(input));
  if (event.ok) return event.value;
  const sentences = event.problems.map(({ path, message }) => `${path}: ${message}`);
  throw new InvalidAuditEventError(`Invalid audit event: ${sentences.join('; ')}.`);
}
