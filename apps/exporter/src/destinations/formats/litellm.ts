import { type EventMembers, jsonObject } from './event-members.ts';

/**
 * An event as LiteLLM's audit log callbacks write it: nine fields, and both values as text. Readers of a bucket that LiteLLM
 * wrote read it unchanged.
 */
export function formatLitellm(members: EventMembers): string {
  const { id, updated_at, changed_by, changed_by_api_key, action, table_name, object_id } = members;
  return jsonObject({
    ...{ id, updated_at, changed_by, changed_by_api_key, action, table_name, object_id },
    before_value: asText(members.before_value),
    updated_values: asText(members.updated_values),
  });
}

function asText(json = 'null'): string {
  return json === 'null' ? json : JSON.stringify(json);
}
