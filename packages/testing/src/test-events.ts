import { randomUUID } from 'node:crypto';
import type { AuditEventInput } from '@auditbox/core/event/audit-event-of.ts';

/** An audit event on the wire, with an id, so that tests find it again. */
export type WireEvent = Omit<AuditEventInput, 'updated_at'> & { readonly id: string; readonly updated_at?: string };

/** An event on the wire; only what matters to a test needs to be said. */
export function anEvent(fields: Partial<WireEvent> = {}): WireEvent {
  return {
    id: randomUUID(),
    changed_by: 'ana@example.com',
    changed_by_api_key: '',
    action: 'updated',
    table_name: 'teams',
    object_id: '42',
    before_value: { max_budget: 10 },
    updated_values: { max_budget: 25 },
    ...fields,
  };
}

/** `count` events at the given time. */
export function someEvents(count: number, fields: Partial<WireEvent> = {}): WireEvent[] {
  return Array.from({ length: count }, () => anEvent(fields));
}
