import type { ZodOpenApiResponseObject, ZodOpenApiResponsesObject } from 'zod-openapi';
import { problemDocument } from '../problem-document.ts';

type Headers = ZodOpenApiResponseObject['headers'];

function refusal(id: string, description: string, headers?: Headers): ZodOpenApiResponseObject {
  return {
    id,
    description,
    ...(headers && { headers }),
    content: { 'application/problem+json': { schema: problemDocument } },
  };
}

const challenge: Headers = { 'WWW-Authenticate': { required: true, schema: { type: 'string', const: 'Bearer' } } };
const retryAfter: Headers = {
  'Retry-After': {
    description: 'Seconds to wait; left out where waiting mends nothing.',
    schema: { type: 'string', pattern: '^[0-9]+$' },
  },
};

/** Answers that are errors: what each status means here. */
const refusals = {
  400: refusal('BadRequest', 'The request cannot be read, or parameters are wrong; `errors` names all of them.'),
  401: refusal('Unauthorized', 'No key, or one that is not known or was revoked.', challenge),
  403: refusal('Forbidden', 'The key has not the scope that this needs.'),
  404: refusal('NotFound', 'No such event.'),
  406: refusal('NotAcceptable', '`Accept` names no form that this has.'),
  409: refusal('Conflict', 'The id is taken by an event with other content.'),
  413: refusal('TooLarge', 'The body is too large.'),
  415: refusal('UnsupportedMediaType', 'Not a content type that is taken, or not in UTF-8.'),
  422: refusal('Unprocessable', 'Not an audit event; nothing was stored. `errors` names what is wrong, and where.'),
  503: refusal(
    'Unavailable',
    'The database cannot be used now, too many writes wait, or the answer took too long: narrow the question.',
    retryAfter,
  ),
} as const;

const anyOther = refusal('AnyOther', 'Anything else that went wrong.');

/** The refusals of a route; any other is a problem document too. */
export function refusing(...statuses: readonly (keyof typeof refusals)[]): ZodOpenApiResponsesObject {
  return { ...Object.fromEntries(statuses.map((status) => [status, refusals[status]])), default: anyOther };
}
