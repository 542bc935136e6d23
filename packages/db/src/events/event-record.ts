import type { NewAuditEvent } from '@auditbox/core/audit-event.ts';
import { v7 as uuidv7 } from 'uuid';

/** An event that has its id. */
export type IdentifiedEvent = NewAuditEvent & { readonly id: string };

/** Gives an event an id unless it has one. Version 7, RFC 9562: near in time is near in the index. */
export function identify(event: NewAuditEvent): IdentifiedEvent {
  return { ...event, id: event.id?.toLowerCase() ?? uuidv7() };
}

/** Events as the one text parameter of `recordsOf`: JSON by hand, as printing the values again would change them. */
export function toRecords(events: readonly IdentifiedEvent[]): string {
  return `[${events.map(toRecord).join()}]`;
}

/** The rows of that parameter. */
export const recordsOf = (parameter: string) => `
    select * from json_to_recordset(${parameter}::text::json) as event (
      id uuid, occurred_at timestamptz, occurred_at_digits smallint,
      changed_by text, changed_by_api_key text, action text, table_name text, object_id text,
      before_value json, updated_values json, context json
    )`;

/** Inserts the rows of `incoming`; what comes behind may narrow them. */
export const insertIncoming = `
    insert into audit_log as a (
      id, occurred_at, occurred_at_digits, changed_by, changed_by_api_key, action, table_name, object_id,
      before_value, updated_values, context
    )
    select
      id, coalesce(occurred_at, statement_timestamp()), occurred_at_digits, changed_by, changed_by_api_key, action,
      table_name, object_id, before_value, updated_values, context
    from incoming`;

function toRecord(event: IdentifiedEvent): string {
  const { id, occurredAt, changedBy, changedByApiKey, action, tableName, objectId } = event;
  return (
    `{"id":"${id}","occurred_at":${JSON.stringify(occurredAt?.utc ?? null)}` +
    `,"occurred_at_digits":${occurredAt?.fractionDigits ?? 6}` +
    `,"changed_by":${JSON.stringify(changedBy)},"changed_by_api_key":${JSON.stringify(changedByApiKey ?? '')}` +
    `,"action":${JSON.stringify(action)},"table_name":${JSON.stringify(tableName)}` +
    `,"object_id":${JSON.stringify(objectId)},"before_value":${event.beforeValue}` +
    `,"updated_values":${event.updatedValues},"context":${event.context}}`
  );
}
