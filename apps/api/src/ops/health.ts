import { SchemaOutdatedError } from '@auditbox/db/database/check-database.ts';
import { HttpProblem } from '../http/problem.ts';
import type { Route } from '../http/route.ts';

const plainText = { 'text/plain': { schema: { type: 'string' } } } as const;

/**
 * `GET /livez`: whether the event loop runs. Nothing else in the api can hang for good: statements have deadlines, and the
 * watchdog ends the process when the database driver hangs.
 */
export const livez: Route = {
  method: 'get',
  path: '/livez',
  access: 'public',
  problems: [],
  operation: () => ({
    operationId: 'isAlive',
    summary: 'Whether the process runs',
    responses: { 200: { description: 'The process runs.', content: plainText } },
  }),
  createHandler: () => (_request, response) => {
    response.type('text').send('alive\n');
  },
};

/** `GET /readyz`: whether requests can be served: the database answers, and its schema is not older than this version. */
export const readyz: Route = {
  method: 'get',
  path: '/readyz',
  access: 'public',
  problems: [503],
  operation: () => ({
    operationId: 'isReady',
    summary: 'Whether requests can be served now',
    responses: { 200: { description: 'Requests can be served. A second line is a warning.', content: plainText } },
  }),
  createHandler: ({ checkReady }) => {
    const check = shareChecks(checkReady);
    return async (_request, response) => {
      try {
        const warning = await check();
        response.type('text').send(warning === null ? 'ready\n' : `ready\n${warning}\n`);
      } catch (error) {
        if (error instanceof SchemaOutdatedError) throw new HttpProblem(503, error.message);
        throw error;
      }
    };
  },
};

const goodForMs = 500;

/** Everybody may ask, so the answers share a check that is running or that just succeeded. */
function shareChecks(check: () => Promise<string | null>): () => Promise<string | null> {
  let shared: Promise<string | null> | null = null;
  return () => {
    if (shared === null) {
      const running = check();
      shared = running;
      const forget = () => {
        shared = null;
      };
      running.then(() => setTimeout(forget, goodForMs).unref(), forget);
    }
    return shared;
  };
}
