import type { Request } from 'express';
import type { ZodOpenApiParameterObject } from 'zod-openapi';
import { HttpProblem } from '../http/problem.ts';

/** Visible ASCII without quotes and backslashes, so that no escape is needed. */
const quoted = /^"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"$/;
const bare = /^([\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{1,255})$/;

/**
 * The value of `Idempotency-Key`, or null (draft-ietf-httpapi-idempotency-key-header). The draft wants a quoted string; many
 * clients leave the quotes out.
 */
export function readIdempotencyKey(request: Request): string | null {
  const given = request.get('idempotency-key')?.trim();
  if (given === undefined) return null;
  const key = (quoted.exec(given) ?? bare.exec(given))?.[1];
  if (key !== undefined) return key;
  const message = 'must be 1 to 255 visible ASCII characters in quotes, such as "8e03978e-40d5-43dd-bc93-6894a57f9324"';
  throw new HttpProblem(400, 'The header Idempotency-Key is not readable.', {
    errors: [{ path: 'Idempotency-Key', message }],
  });
}

/** For the OpenAPI document. */
export const idempotencyKeyHeader = {
  name: 'Idempotency-Key',
  in: 'header',
  description:
    'Makes a repeated request harmless where events have no `id` (draft-ietf-httpapi-idempotency-key-header): events without ' +
    'an id get one that follows from your key, this header and their place in the body. The same header with another body is a ' +
    '422, if an event without an id was stored from the same place. It is remembered as long as the events are kept.',
  schema: { type: 'string' },
} as const satisfies ZodOpenApiParameterObject;
