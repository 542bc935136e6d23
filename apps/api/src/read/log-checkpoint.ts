import { archiveDestination as destination } from '@auditbox/core/export/archive-destination.ts';
import { newestCheckpoint } from '@auditbox/db/log/checkpoints.ts';
import type { RequestHandler } from 'express';
import { z } from 'zod';
import type { Cell } from '../cells/cell.ts';
import { HttpProblem } from '../http/problem.ts';
import type { Route } from '../http/route.ts';
import { getSearch, readQuery, requireValid } from './read-query.ts';
import { preferHeader, readerHeaders } from './readers.ts';

const parameters = z.strictObject({
  cell: z.string().optional().describe('With DATABASE_CELLS: whose log. Required then.'),
});

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
    requestParams: { query: parameters },
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
    ({ cells }) =>
    async (request, response) => {
      const { cell: name } = requireValid(readQuery(parameters, getSearch(request))).named;
      const reader = await findCell(cells, name).readers.choose(request, response);
      const checkpoint = await newestCheckpoint(reader.poolFor(), destination);
      if (checkpoint === null)
        throw new HttpProblem(404, 'There is no checkpoint yet, or no log (EXPORT_LOG_ORIGIN of the exporter).');
      response.type('text/plain').send(checkpoint.note);
    },
};

/** Each cell has its own log. With one database there is nothing to name. */
function findCell(cells: readonly Cell[], name: string | undefined): Cell {
  const found = cells.length === 1 && name === undefined ? cells[0] : cells.find((cell) => cell.name === name);
  if (found !== undefined && (name === undefined || name !== '')) return found;
  const names = cells.flatMap((cell) => (cell.name === '' ? [] : [cell.name]));
  const message =
    names.length === 0 ? 'is not a parameter, because there are no cells' : `must be one of ${names.join(', ')}`;
  throw new HttpProblem(400, 'Some parameters are invalid.', { errors: [{ path: 'cell', message }] });
}

const refreshMs = 10_000;

/**
 * Puts the newest checkpoint into a header of each answer, in base64, so that callers who keep it are witnesses. No answer
 * waits for it. With several cells each answer has the checkpoint of the next cell, whose log its first line names.
 */
export function sendCheckpoint(cells: readonly Cell[]): RequestHandler {
  const headers = cells.map((cell) => keepCheckpoint(cell));
  let answers = 0;
  return (_request, response, next) => {
    const header = headers[answers % headers.length]?.() ?? null;
    answers += 1;
    if (header !== null) response.setHeader('auditbox-checkpoint', header);
    next();
  };
}

/** Returns the header as it was a moment ago; null without a checkpoint. */
function keepCheckpoint({ readers }: Cell): () => string | null {
  let header: string | null = null;
  let askedAt = Number.NEGATIVE_INFINITY;

  async function refresh(): Promise<void> {
    const newest = await newestCheckpoint(readers.primary.poolFor(), destination);
    header = newest && Buffer.from(newest.note).toString('base64');
  }

  return () => {
    if (performance.now() - askedAt > refreshMs) {
      askedAt = performance.now();
      // A database that is down is reported by the request itself.
      refresh().catch(() => {});
    }
    return header;
  };
}
