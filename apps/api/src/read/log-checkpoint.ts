import { archiveDestination as destination } from '@auditbox/core/export/archive-destination.ts';
import { newestCheckpoint } from '@auditbox/db/log/checkpoints.ts';
import type { RequestHandler } from 'express';
import { HttpProblem } from '../http/problem.ts';
import type { Route } from '../http/route.ts';
import { preferHeader, type Readers, readerHeaders } from './readers.ts';

/** `GET /log/checkpoint`: the newest signed checkpoint of the log. A caller that keeps one can later show that a log was changed. */
export const logCheckpoint: Route = {
  method: 'get',
  path: '/log/checkpoint',
  access: 'audit:read',
  problems: [404],
  operation: () => ({
    operationId: 'getCheckpoint',
    summary: 'The newest signed checkpoint of the log',
    description:
      'A C2SP tlog-checkpoint. Keep it somewhere else: it shows later whether the log was cut off or written anew.',
    parameters: [preferHeader],
    responses: {
      200: {
        description: 'The checkpoint.',
        headers: readerHeaders,
        content: { 'text/plain': { schema: { type: 'string' } } },
      },
    },
  }),
  createHandler:
    ({ readers }) =>
    async (request, response) => {
      const reader = await readers.choose(request, response);
      const checkpoint = await newestCheckpoint(reader.poolFor(), destination);
      if (checkpoint === null)
        throw new HttpProblem(404, 'There is no checkpoint yet, or no log (EXPORT_LOG_ORIGIN of the exporter).');
      response.type('text/plain').send(checkpoint.note);
    },
};

const refreshMs = 10_000;

/**
 * Puts the newest checkpoint into a header of each answer, in base64, so that callers who keep it are witnesses. No answer
 * waits for it.
 */
export function sendCheckpoint(readers: Readers): RequestHandler {
  let header: string | null = null;
  let askedAt = Number.NEGATIVE_INFINITY;

  async function refresh(): Promise<void> {
    const newest = await newestCheckpoint(readers.primary.poolFor(), destination);
    header = newest && Buffer.from(newest.note).toString('base64');
  }

  return (_request, response, next) => {
    if (performance.now() - askedAt > refreshMs) {
      askedAt = performance.now();
      // A database that is down is reported by the request itself.
      refresh().catch(() => {});
    }
    if (header !== null) response.setHeader('auditbox-checkpoint', header);
    next();
  };
}
