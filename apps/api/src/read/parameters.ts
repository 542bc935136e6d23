import { lowerBound, upperBound } from '@auditbox/core/event/event-time.ts';
import { splitEscaped } from '@auditbox/core/text/split-escaped.ts';
import { sortKeys } from '@auditbox/db/queries/event-order.ts';
import { z } from 'zod';

/*
 * The parameters of the routes that read events. LiteLLM's have its names and meaning; what is beyond them says so in its
 * description, which is the reference's too.
 */

const dateForm = 'must be a date (2026-07-03) or an RFC 3339 time with an offset (2026-07-03T11:46:50.269Z)';
const maxValues = 100;
const sortable = Object.keys(sortKeys) as (keyof typeof sortKeys)[];

const text = z.string().refine((value) => !value.includes('\0'), 'must not contain U+0000');
const givenText = text.min(1, 'must not be empty');

const fewTexts = text.refine(
  (given) => new Set(splitEscaped(given, ',')).size <= maxValues,
  `must be ${maxValues} values at most`,
);
const valuesBetweenCommas = fewTexts.transform((given) => splitEscaped(given, ','));

/**
 * One value, or several between commas. A comma that belongs to a value is written `\,`; LiteLLM's clients know nothing of
 * that, so the text as a whole counts too.
 */
const texts = fewTexts.transform((given) => [given, ...splitEscaped(given, ',')]);

/** How the reference shows several values between commas: as an array. */
function listed(items: { enum?: string[] } = {}) {
  const array = { type: 'array' as const, items: { type: 'string' as const, ...items } };
  return { override: array, param: { style: 'form' as const, explode: false } };
}

/** What narrows the events down; all that are given must hold. */
export function filterParameters(actions: readonly string[]) {
  const actionForm = `must be one of ${actions.join(', ')}, or several between commas`;
  return {
    changed_by: texts
      .optional()
      .meta({ ...listed(), description: 'Who changed it, exactly. Several between commas; `\\,` is a comma.' }),
    changed_by_prefix: givenText.optional().describe('How the name of who changed it begins.'),
    changed_by_api_key: texts
      .optional()
      .meta({ ...listed(), description: 'The hash of the API key, exactly. Several between commas.' }),
    action: valuesBetweenCommas
      .refine((values) => values.every((value) => actions.includes(value)), actionForm)
      .optional()
      .meta({
        ...listed(actions.length > 0 ? { enum: [...actions] } : {}),
        description: 'What was done. Several between commas.',
      }),
    table_name: texts
      .optional()
      .meta({ ...listed(), description: 'The kind of object, exactly. Several between commas.' }),
    object_id: texts.optional().meta({ ...listed(), description: 'The object, exactly. Several between commas.' }),
    object_team_id: givenText.optional().describe('`team_id` in one of the two values, exactly.'),
    object_key_hash: givenText.optional().describe('`token` in one of the two values, exactly.'),
    search: givenText.optional().describe('An id of any kind: object, actor, API key, team or key hash.'),
    q: text
      .refine((value) => /[\p{L}\p{N}]/u.test(value), 'must contain a letter or a digit')
      .optional()
      .describe('Words and numbers that all stand in the values or the context, in any case.'),
    start_date: bound(lowerBound).optional().describe('First event time, included: RFC 3339 or a date.'),
    end_date: bound(upperBound).optional().describe('Last event time, included: RFC 3339 or a date.'),
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

/** Which part of a list. */
export const partParameters = {
  page: wholeNumber(1, 1_000_000_000).optional().describe('From 1. Deep pages need `cursor` instead.'),
  page_size: wholeNumber(1, 100).default(10).describe('1 to 100, default 10.'),
  cursor: text.optional().describe('`next_cursor` of the answer before, with the same filters; empty begins.'),
  recorded_after: bound(upperBound)
    .optional()
    .describe('For pollers: what was recorded after this, in the order of recording, and nothing twice or never.'),
};

function wholeNumber(min: number, max: number) {
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

/** A `+` that nobody escaped arrives as a blank; in front of an offset only a plus can have been meant. */
function bound(read: (text: string) => string | null) {
  return z.string().transform((given, { addIssue }) => {
    const instant = read(given.replace(/ (\d\d:\d\d)$/, '+$1'));
    if (instant !== null) return instant;
    addIssue(dateForm);
    return z.NEVER;
  });
}
