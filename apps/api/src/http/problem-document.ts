import { z } from 'zod';

/** What every error answers (RFC 9457). */
export const problemDocument = z
  .strictObject({
    type: z.literal('about:blank'),
    title: z.string().describe("The status in HTTP's words."),
    status: z.int(),
    detail: z.string().describe('What is wrong, in a sentence.'),
    errors: z
      .array(
        z.strictObject({
          path: z.string().describe('A parameter, or a place in the body: `[17].action`. Empty for all of it.'),
          message: z.string(),
        }),
      )
      .describe('All that is wrong with the request, 100 at most; empty when there is nothing to point at.'),
  })
  .meta({ id: 'ProblemDocument', description: 'A problem document (RFC 9457).' });
