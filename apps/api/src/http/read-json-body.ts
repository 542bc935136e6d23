import type { Request } from 'express';
import type { z } from 'zod';
import { type BodyRules, bodyText, parseBody } from './body.ts';
import { HttpProblem } from './problem.ts';

/** For routes that take a small JSON object. */
export const smallBody: BodyRules = { types: ['application/json'], maxBytes: 64 * 1024 };

/** The body in the form of the schema. Throws a 400 or a 422 that names each mistake. */
export function readJsonBody<T>(schema: z.ZodType<T>, request: Request): T {
  const text = bodyText(request);
  const result = schema.safeParse(parseBody<unknown>(() => JSON.parse(text)));
  if (result.success) return result.data;
  const errors = result.error.issues.map(({ path, message }) => ({ path: path.map(String).join('.'), message }));
  throw new HttpProblem(422, 'The body is not valid. Nothing was changed.', { errors });
}
