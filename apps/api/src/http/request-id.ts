import { randomUUID } from 'node:crypto';
import { looksSecret } from '@auditbox/core/redact/secret-values.ts';
import type { Response } from 'express';
import type { RequestStep } from './request-step.ts';

/** Other ids could break a log or a header. */
const form = /^[A-Za-z0-9_-]{1,64}$/;
const isId = (text: unknown): text is string => typeof text === 'string' && form.test(text) && !looksSecret(text);

/** Gives each request an id, or keeps the id that a proxy gave it. It is in the answer, in problem documents and in the log. */
export const identifyRequest: RequestStep = (request, response) => {
  const given = request.headers['x-request-id'];
  const id = isId(given) ? given : randomUUID();
  response.locals.requestId = id;
  response.setHeader('x-request-id', id);
};

export function getRequestId(response: Response): string {
  return (response.locals.requestId as string | undefined) ?? '';
}
