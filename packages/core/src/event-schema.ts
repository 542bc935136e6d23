import { z } from 'zod';
import { eventTimeForm, parseEventTime } from './event-time.ts';

/** Longest text of a field that is searched by, in UTF-16 units: an index entry holds at most about 2,700 bytes. */
const maxTextLength = 512;

/** An audit event as it comes in over the wire, with LiteLLM's field names; `actions` is the closed set of actions. */
export function eventSchema(actions: readonly string[]) {
  const text = z.string().max(maxTextLength, `is longer than ${maxTextLength} characters`);
  const name = text.min(1, 'must not be empty');
  return z.strictObject({
    id: z.guid('must be a UUID').nullish(),
    updated_at: z.string().transform(toEventTime).nullish(),
    changed_by: text,
    changed_by_api_key: text.nullish(),
    action: z.enum(actions, `must be one of ${actions.join(', ')}`),
    table_name: name,
    object_id: name,
    before_value: z.unknown(),
    updated_values: z.unknown(),
    context: z.record(z.string(), z.unknown(), 'must be an object').nullish(),
  });
}

function toEventTime(text: string, { addIssue }: { addIssue(message: string): void }) {
  const time = parseEventTime(text);
  if (time) return time;
  addIssue(`must be ${eventTimeForm}, from 1970 to 9999`);
  return z.NEVER;
}
