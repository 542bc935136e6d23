import { SchemaOutdatedError } from '@auditbox/db/database/check-database.ts';
import type { RequestHandler } from 'express';
import { HttpProblem } from '../http/problem.ts';

export interface HealthDependencies {
  /** Resolves to a warning, or null. Throws when requests could not be served now. */
  readonly checkReady: () => Promise<string | null>;
}

/**
 * `GET /livez`: whether the event loop turns. Nothing else here could hang for good: statements have deadlines, and a
 * driver that answers nothing is the watchdog's.
 */
export const livez: RequestHandler = (_request, response) => {
  response.type('text').send('alive\n');
};

/** `GET /readyz`: whether requests could be served: the database answers, and its schema is not older than we are. */
export function readyz({ checkReady }: HealthDependencies): RequestHandler {
  return async (_request, response) => {
    try {
      const warning = await checkReady();
      response.type('text').send(warning === null ? 'ready\n' : `ready\n${warning}\n`);
    } catch (error) {
      if (error instanceof SchemaOutdatedError) throw new HttpProblem(503, error.message);
      throw error;
    }
  };
}
