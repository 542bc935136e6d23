import type { Problem } from '@auditbox/core/event/audit-event.ts';
import { measureJson } from '@auditbox/core/json/json-size.ts';
import { maxDepth } from '@auditbox/core/json/json-text.ts';
import type { Request } from 'express';
import type { z } from 'zod';
import { type BodyRules, bodyText, parseBody } from './body.ts';
import { HttpProblem } from './problem.ts';

/** For routes that take a small JSON object. */
export const smallBody: BodyRules = { types: ['application/json'], maxBytes: 64 * 1024 };
/** A key with four lists of a hundred bounds has half of them. Checking 16,000 values would hold the process. */
const maxValues = 1_000;

/** The body in the form of the schema. Throws a 400 or a 422 that names each mistake. */
export function readJsonBody<T>(schema: z.ZodType<T>, request: Request): T {
  const text = bodyText(request);
  const { values, depth } = measureJson(text);
  if (values > maxValues || depth > maxDepth)
    throw new HttpProblem(422, `The body has more than ${maxValues} values, or nests too deeply. Nothing was changed.`);
  const result = schema.safeParse(parseBody<unknown>(() => JSON.parse(text)));
  if (result.success) return result.data;
  throw invalidBody(result.error.issues.map(({ path, message }) => ({ path: path.map(String).join('.'), message })));
}

/** A 422 that names each mistake of a body. */
export function invalidBody(errors: readonly Problem[]): HttpProblem {
  return new HttpProblem(422, 'The body is not valid. Nothing was changed.', { errors });
}
