import type { NewAuditEvent } from './audit-event.ts';
import { eventReader } from './read-event.ts';

/** An audit event as a TypeScript service writes it: wire names, values as JSON.stringify prints them. */
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
}

/**
 * The input is no audit event; the message names every field that is wrong.
 *
 * @public for services that catch it
 */
export class InvalidAuditEventError extends Error {
  override readonly name = 'InvalidAuditEventError';
  readonly code = 'INVALID_AUDIT_EVENT';
}

const readEvent = eventReader('any');

/** A checked event from a service's own values. Throws InvalidAuditEventError. Any action that is not empty will do. */
export function auditEventOf(input: AuditEventInput): NewAuditEvent {
  const text = JSON.stringify(input);
  const event = readEvent(text, JSON.parse(text));
  if (event.ok) return event.value;
  const sentences = event.problems.map(({ path, message }) => `${path}: ${message}`);
  throw new InvalidAuditEventError(`Not an audit event: ${sentences.join('; ')}.`);
}
