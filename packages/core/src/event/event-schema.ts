import { z } from 'zod';
import { eventTimeForm, parseEventTime } from './event-time.ts';

/** Longest text of an indexed field, in UTF-16 units. A Postgres index entry holds at most about 2,700 bytes. */
const maxTextLength = 512;

/** Which actions an event may have: a closed set, or any text that is not empty. */
export type Actions = readonly string[] | 'any';

/** The schema of an audit event on the wire, with LiteLLM's field names. */
export function eventSchema(actions: Actions) {
  const text = z.string({ error: wanted('a text') }).max(maxTextLength, `is longer than ${maxTextLength} characters`);
  const name = text.min(1, 'must not be empty');
  const fields = {
    id: z
      .guid('must be a UUID')
      .nullish()
      .describe('Makes a repeated request harmless. When absent, the server makes a new id.'),
    updated_at: z
      .string({ error: wanted(eventTimeForm) })
      .transform(toEventTime)
      .nullish()
      .describe(
        'When the change happened: RFC 3339 with an offset, stored to the microsecond. When absent, the database uses its current time.',
      ),
    changed_by: text.describe('Who changed it.'),
    changed_by_api_key: text
      .nullish()
      .describe("The hash of the API key that made the change. When absent, the hash of the caller's key."),
    action: (actions === 'any' ? name : z.enum(actions, { error: wanted(`one of ${actions.join(', ')}`) })).describe(
      'What was done.',
    ),
    table_name: name.describe('The kind of object that was changed.'),
    object_id: name.describe('The object that was changed.'),
    before_value: z.unknown().optional().describe('The object before the change: any JSON, stored as it is written.'),
    updated_values: z
      .unknown()
      .optional()
      .describe('The object after the change, or the fields that were set: any JSON, stored as it is written.'),
    context: z
      // Not z.record: it copies the object and takes a second for a megabyte of names.
      .custom<Readonly<Record<string, unknown>>>(isObject, 'must be an object')
      .meta({ override: { type: 'object', additionalProperties: {} } })
      .nullish()
      .describe('Anything else about the change, such as IP address, user agent, request id.'),
  };
  return z.strictObject(fields, { error: ({ code }) => (code === 'invalid_type' ? 'must be an object' : undefined) });
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
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
