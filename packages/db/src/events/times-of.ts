import type { NewAuditEvent } from '@auditbox/core/event/audit-event.ts';

/** The event times, ISO 8601 in UTC; an event without one gets about now. */
export function timesOf(events: readonly NewAuditEvent[]): string[] {
  return events.map(({ occurredAt }) => occurredAt?.utc ?? new Date().toISOString());
}
