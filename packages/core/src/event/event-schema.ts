import { z } from 'zod';
import { eventTimeForm, parseEventTime } from './event-time.ts';
import { isPlainName, plainNameForm } from './plain-name.ts';

/** Longest text of an indexed field, in UTF-16 units. A Postgres index entry holds at most about 2,700 bytes. */
export const maxTextLength = 512;

/** Which actions an event may have: a closed set, or any text that is not empty. */
export type Actions = readonly string[] | 'any';

/** The schema of an audit event on the wire, with LiteLLM's field names. */
export function eventSchema(actions: Actions) {
  const text = z.string({ error: wanted('a text') }).max(maxTextLength, `is longer than ${maxTextLength} characters`);
  const plainText = text.refine(isPlainName, plainNameForm);
  const name = plainText.min(1, 'must not be empty');
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
    changed_by: name.describe('Who changed it.'),
    changed_by_api_key: plainText
      .nullish()
      .describe(
        "The API key that made the change, if the caller's key may name one. When absent, the id of the caller's key.",
      ),
    action: (actions === 'any' ? name : z.enum(actions, { error: wanted(`one of ${actions.join(', ')}`) })).describe(
      'What was done.',
    ),
    table_name: name.describe('The kind of object that was changed.'),
    // Any characters: an object whose name is odd must not escape the audit.
    object_id: text.min(1, 'must not be empty').describe('The object that was changed.'),
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
    tenant: plainText
      .max(128, 'is longer than 128 characters')
      .nullish()
      .describe("Whose event it is. When absent, the tenant of the caller's key."),
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
