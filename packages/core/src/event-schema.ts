import { z } from 'zod';
import { eventTimeForm, parseEventTime } from './event-time.ts';

/** Longest text of a field that is searched by, in UTF-16 units: an index entry holds at most about 2,700 bytes. */
const maxTextLength = 512;

/** Which actions an event may have: a closed set, or any that is not empty. */
export type Actions = readonly string[] | 'any';

/** An audit event as it comes in over the wire, with LiteLLM's field names. */
export function eventSchema(actions: Actions) {
  const text = z.string({ error: wanted('a text') }).max(maxTextLength, `is longer than ${maxTextLength} characters`);
  const name = text.min(1, 'must not be empty');
  const fields = {
    id: z.guid('must be a UUID').nullish(),
    updated_at: z
      .string({ error: wanted(eventTimeForm) })
      .transform(toEventTime)
      .nullish(),
    changed_by: text,
    changed_by_api_key: text.nullish(),
    action: actions === 'any' ? name : z.enum(actions, { error: wanted(`one of ${actions.join(', ')}`) }),
    table_name: name,
    object_id: name,
    before_value: z.unknown().optional(),
    updated_values: z.unknown().optional(),
    context: z.record(z.string(), z.unknown(), 'must be an object').nullish(),
  };
  return z.strictObject(fields, { error: ({ code }) => (code === 'invalid_type' ? 'must be an object' : undefined) });
}

function wanted(what: string) {
  return ({ input }: { readonly input?: unknown }) => (input === undefined ? 'is required' : `must be ${what}`);
}

function toEventTime(text: string, { addIssue }: { addIssue(message: string): void }) {
  const time = parseEventTime(text);
  if (time) return time;
  addIssue(`must be ${eventTimeForm}, from 1970 to 9999`);
  return z.NEVER;
}
