import type { NewAuditEvent } from '@auditbox/core/event/audit-event.ts';
import { parseEventTime } from '@auditbox/core/event/event-time.ts';
import { compactText, type JsonText, objectMembers } from '@auditbox/core/json/json-text.ts';
import { sameJson } from '@auditbox/core/json/same-json.ts';
import type { Steps } from '@auditbox/core/steps.ts';

/**
 * Whether an event has the content of the stored one. `storedJson` is the stored event in its form on the wire. An event
 * without a time matches any time, because the database set the time at the first try.
 */
export function* sameContent(event: NewAuditEvent, storedJson: string): Steps<boolean> {
  const stored: Record<string, unknown> = JSON.parse(storedJson);
  const values = new Map(objectMembers(storedJson).map(({ name, value }) => [name, compactText(storedJson, value)]));
  const sameValue = (name: string, value: JsonText | null) => sameJson(value, values.get(name) ?? null);
  return (
    (event.occurredAt === null || event.occurredAt.utc === parseEventTime(String(stored.updated_at))?.utc) &&
    event.changedBy === stored.changed_by &&
    (event.changedByApiKey ?? '') === stored.changed_by_api_key &&
    event.action === stored.action &&
    event.tableName === stored.table_name &&
    event.objectId === stored.object_id &&
    event.tenant === (stored.tenant ?? '') &&
    (yield* sameValue('before_value', event.beforeValue)) &&
    (yield* sameValue('updated_values', event.updatedValues)) &&
    (yield* sameValue('context', event.context))
  );
}
