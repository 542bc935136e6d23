import { archiveDestination as destination } from '@auditbox/core/export/archive-destination.ts';
import { z } from 'zod';
import { getCaller } from '../http/caller.ts';
import { sendJson } from '../http/json.ts';
import type { Route } from '../http/route.ts';
import { exportStates } from './export-states.ts';
import { getSearch, readQuery, requireValid } from './read-query.ts';
import { preferHeader, readerHeaders } from './readers.ts';

const maxIds = 200;

const parameters = z.strictObject({
  ids: z
    .string()
    .transform((text) => [...new Set(text.toLowerCase().split(','))])
    .pipe(z.array(z.guid('must be UUIDs separated by commas')).max(maxIds, `must be ${maxIds} ids at most`))
    .meta({
      override: { type: 'array', items: { type: 'string', format: 'uuid' }, maxItems: maxIds },
      param: { style: 'form', explode: false },
      description: `Up to ${maxIds} ids of events, separated by commas.`,
    }),
});

const states = z
  .strictObject({
    archive: z.array(
      z.strictObject({
        id: z.guid(),
        state: z.enum(exportStates),
        exported_at: z.iso.datetime().nullable().describe('Null until the copy exists.'),
      }),
    ),
  })
  .meta({
    id: 'ArchiveStates',
    description: 'How far the archived copies of events are. Unknown events are left out.',
  });

/** `GET /audit/archive`: the archive state of each row of a list, in one request. */
export const archiveStates: Route = {
  method: 'get',
  path: '/audit/archive',
  access: 'audit:read',
  problems: [],
  operation: () => ({
    operationId: 'listArchiveStates',
    summary: 'The archive states of several events',
    requestParams: { query: parameters },
    parameters: [preferHeader],
    responses: {
      200: {
        description: 'The states.',
        headers: readerHeaders,
        content: { 'application/json': { schema: states } },
      },
    },
  }),
  createHandler:
    ({ sources }) =>
    async (request, response) => {
      const { ids } = requireValid(readQuery(parameters, getSearch(request))).named;
      const reads = await sources.choose(request, response);
      const { tenant } = getCaller(response);
      const archive = await reads.listArchiveStates({ ids, tenant, destination });
      sendJson(response, 200, JSON.stringify({ archive }));
    },
};
