import { maxTextLength } from '@auditbox/core/event/event-schema.ts';
import { lowerBound, upperBound } from '@auditbox/core/event/event-time.ts';
import { isTimeZone } from '@auditbox/core/event/zoned-time.ts';
import type { TenantScope } from '@auditbox/core/keys/tenant-scope.ts';
import { splitEscaped } from '@auditbox/core/text/split-escaped.ts';
import type { EventFilter, ValueAt } from '@auditbox/db/queries/event-filter.ts';
import { sortKeys } from '@auditbox/db/queries/event-order.ts';
import { z } from 'zod';

/*
 * The parameters of the routes that read events. Parameters that LiteLLM has too keep its names and meanings. The
 * descriptions are those of the reference.
 */

const dateForm = 'must be a date (2026-07-03), an RFC 3339 time (2026-07-03T11:46:50.269Z), or one without an offset';
const maxValues = 100;
const sortable = Object.keys(sortKeys) as (keyof typeof sortKeys)[];

/** Each word is a part of the statement, and a search for more finds no more. */
const maxWords = 20;

const text = z.string().refine((value) => !value.includes('\0'), 'must not contain U+0000');
const givenText = text.min(1, 'must not be empty');

const fewTexts = text.refine(
  (given) => new Set(splitEscaped(given, ',')).size <= maxValues,
  `must be ${maxValues} values at most`,
);
const separatedValues = fewTexts.transform((given) => splitEscaped(given, ','));

/**
 * One value, or several separated by commas. A comma that belongs to a value is written `\,`. LiteLLM's clients do not
 * escape commas, so the whole text is one of the values too.
 */
const texts = fewTexts.transform((given) => [given, ...splitEscaped(given, ',')]);

/** The reference shows values separated by commas as an array. */
function shownAsArray(items: { enum?: string[] } = {}) {
  const array = { type: 'array' as const, items: { type: 'string' as const, ...items } };
  return { override: array, param: { style: 'form' as const, explode: false } };
}

/** The actions of the api's own events: changes of keys, denied requests, reads. */
const ownActions = ['created', 'rotated', 'deleted', 'denied', 'read'];

const alsoInTexts = ' Also in JSON text inside a string.';

/** Filters. An event matches if every given filter matches. */
export function filterParameters(accepted: readonly string[]) {
  const actions = [...new Set([...accepted, ...ownActions])];
  const actionForm = `must be one of ${actions.join(', ')}, or several separated by commas`;
  return {
    changed_by: texts.optional().meta({
      ...shownAsArray(),
      description: 'Who changed it, exactly. Several values are separated by commas; `\\,` is a comma.',
    }),
    changed_by_prefix: givenText.optional().describe('The beginning of the name of who changed it.'),
    changed_by_any_case: givenText
      .max(maxTextLength, `must be at most ${maxTextLength} characters`)
      .optional()
      .describe('Who changed it: the whole name, in upper or lower case.'),
    changed_by_api_key: texts.optional().meta({
      ...shownAsArray(),
      description: 'The hash of the API key, exactly. Several values are separated by commas.',
    }),
    action: separatedValues
      .refine((values) => values.every((value) => actions.includes(value)), actionForm)
      .optional()
      .meta({
        ...shownAsArray(actions.length > 0 ? { enum: [...actions] } : {}),
        description: 'What was done. Several values are separated by commas.',
      }),
    table_name: texts
      .optional()
      .meta({ ...shownAsArray(), description: 'The kind of object, exactly. Several values are separated by commas.' }),
    object_id: texts
      .optional()
      .meta({ ...shownAsArray(), description: 'The object, exactly. Several values are separated by commas.' }),
    recorded_by: texts.optional().meta({
      ...shownAsArray(),
      description: 'Who wrote the event, exactly: `key:<id>:<name>` or `sql:<login>`. Several are separated by commas.',
    }),
    object_team_id: givenText.optional().describe(`\`team_id\` in one of the two values, exactly.${alsoInTexts}`),
    object_key_hash: givenText.optional().describe(`\`token\` in one of the two values, exactly.${alsoInTexts}`),
    search: givenText.optional().describe('An id of any kind: object, actor, API key, team or key hash.'),
    q: text
      .refine((value) => /[\p{L}\p{N}]/u.test(value), 'must contain a letter or a digit')
      .refine((value) => countWords(value) <= maxWords, `must be at most ${maxWords} words`)
      .optional()
      .describe('Words and numbers that all occur in the values or the context, in upper or lower case.'),
    start_date: timeBound(lowerBound).optional().describe('First event time, included: RFC 3339 or a date.'),
    end_date: timeBound(upperBound).optional().describe('Last event time, included: RFC 3339 or a date.'),
    time_zone: z
      .string()
      .refine(isTimeZone, 'must be a name of the IANA time zone database, such as Europe/Berlin')
      .optional()
      .describe('The zone of dates and of times without an offset, such as `Europe/Berlin`. Default `UTC`.'),
  };
}

/** The order of a list. */
export const orderParameters = {
  sort_by: z
    .enum(sortable, `must be one of ${sortable.join(', ')}`)
    .optional()
    .describe('Default `updated_at`.'),
  sort_order: z.enum(['asc', 'desc'], 'must be asc or desc').optional().describe('Default `desc`.'),
};

/** The part of a list. */
export const partParameters = {
  page: wholeNumber(1, 1_000_000_000).optional().describe('From 1. Use `cursor` for deep pages.'),
  page_size: wholeNumber(1, 100).default(10).describe('1 to 100, default 10.'),
  cursor: text
    .optional()
    .describe('`next_cursor` of the previous answer, with the same filters. An empty cursor is the beginning.'),
  recorded_after: timeBound(upperBound)
    .optional()
    .describe('For pollers: the events recorded after this time, in the order of recording, each exactly once.'),
};

/** A whole number within limits. */
export function wholeNumber(min: number, max: number) {
  const message = `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,10}$/, message)
    .transform(Number)
    .pipe(z.number().min(min, message).max(max, message))
    .meta({
      override: ({ jsonSchema }) =>
        void Object.assign(jsonSchema, { type: 'integer', minimum: min, maximum: max, pattern: undefined }),
    });
}

/** readQuery has added the offset to a date and to a time without one. */
function timeBound(read: (text: string) => string | null) {
  return z.string('is required').transform((given, { addIssue }) => {
    const instant = read(given);
    if (instant !== null) return instant;
    addIssue(dateForm);
    return z.NEVER;
  });
}

function countWords(text: string): number {
  return text.split(/\s+/).filter((word) => word !== '').length;
}

/** The filter parameters under the names of the database layer. */
export function toFilter(
  named: z.output<z.ZodObject<ReturnType<typeof filterParameters>>>,
  values: readonly ValueAt[],
  tenant: TenantScope,
): EventFilter {
  return {
    tenant,
    changedBy: named.changed_by,
    changedByPrefix: named.changed_by_prefix,
    changedByAnyCase: named.changed_by_any_case,
    changedByApiKey: named.changed_by_api_key,
    action: named.action,
    tableName: named.table_name,
    objectId: named.object_id,
    recordedBy: named.recorded_by,
    occurredFrom: named.start_date,
    occurredTo: named.end_date,
    teamId: named.object_team_id,
    keyHash: named.object_key_hash,
    anyId: named.search,
    words: named.q,
    values,
  };
}
