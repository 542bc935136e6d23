import { randomUUID } from 'node:crypto';
import type { JSONValue } from 'postgres';

const required = ['changed_by', 'action', 'table_name', 'object_id'] as const;

interface EventBody extends Record<(typeof required)[number], string> {
  readonly id?: string | null;
  readonly updated_at?: string | null;
  readonly changed_by_api_key?: string | null;
  readonly before_value?: JSONValue;
  readonly updated_values?: JSONValue;
  readonly context?: JSONValue;
}

/** Whether the required fields are present. Checks nothing else. */
export function isEvent(body: unknown): body is EventBody {
  if (typeof body !== 'object' || body === null) return false;
  const fields = body as Record<string, unknown>;
  return required.every((name) => typeof fields[name] === 'string' && fields[name] !== '');
}

/** Converts an event on the wire to a row of the table audit. */
export function eventRow(event: EventBody) {
  return {
    id: event.id ?? randomUUID(),
    occurred_at: event.updated_at ?? new Date().toISOString(),
    changed_by: event.changed_by,
    changed_by_api_key: event.changed_by_api_key ?? '',
    action: event.action,
    table_name: event.table_name,
    object_id: event.object_id,
    before_value: event.before_value ?? null,
    updated_values: event.updated_values ?? null,
    context: event.context ?? null,
  };
}
