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
    id: z
      .guid('must be a UUID')
      .nullish()
      .describe('Makes a repeated request harmless. A new one is made if left out.'),
    updated_at: z
      .string({ error: wanted(eventTimeForm) })
      .transform(toEventTime)
      .nullish()
      .describe("When it happened: RFC 3339 with an offset, kept to the microsecond. The database's now if left out."),
    changed_by: text.describe('Who changed it.'),
    changed_by_api_key: text.nullish().describe("The hash of the key it was changed with; the caller's if left out."),
    action: (actions === 'any' ? name : z.enum(actions, { error: wanted(`one of ${actions.join(', ')}`) })).describe(
      'What was done.',
    ),
    table_name: name.describe('The kind of object that was changed.'),
    object_id: name.describe('The object that was changed.'),
    before_value: z.unknown().optional().describe('Any JSON, kept as it is written: the object before.'),
    updated_values: z
      .unknown()
      .optional()
      .describe('Any JSON, kept as it is written: the object after, or what was set.'),
    context: z
      .record(z.string(), z.unknown(), 'must be an object')
      .nullish()
      .describe('What else is known: IP address, user agent, request id.'),
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
