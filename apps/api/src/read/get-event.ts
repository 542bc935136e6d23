import type { TenantScope } from '@auditbox/core/keys/tenant-scope.ts';
import type { Request } from 'express';
import { z } from 'zod';
import {
  type ArchivedEventQuery,
  findArchivedEvent,
  printArchivedEvent,
  readArchivedEventQuery,
} from '../archive/find-archived-event.ts';
import { abortWith, archiveRead, requireArchive } from '../archive/list-archive.ts';
import { getCaller } from '../http/caller.ts';
import { sendJson } from '../http/json.ts';
import { createJsonAnswer } from '../http/json-answer.ts';
import { HttpProblem } from '../http/problem.ts';
import type { Route } from '../http/route.ts';
import { auditEventFields, recordBeginsAt } from './event-answer.ts';
import { exportStates } from './export-states.ts';
import { filterParameters, partParameters } from './parameters.ts';
import { getSearch, readQuery, requireValid } from './read-query.ts';
import { preferHeader, readerHeaders } from './readers.ts';

const { start_date, end_date, time_zone } = filterParameters([]);

const parameters = z.strictObject({
  archive: z
    .enum(['true', 'false'], 'must be true or false')
    .optional()
    .describe('`true`: if the database does not have the event, it is looked for in the objects in the bucket.'),
  start_date,
  end_date,
  time_zone,
  cursor: partParameters.cursor,
});

const copy = z
  .strictObject({
    state: z.enum(exportStates),
    object_key: z.string().nullable(),
    sha256: z.string().nullable().describe('The hash of the uncompressed NDJSON.'),
    exported_at: z.iso.datetime().nullable(),
  })
  .describe('Where the archived copy is. Its key, hash and time are null until the copy exists.');

const archivedEvent = z
  .strictObject({ ...auditEventFields, export: copy, record_begins_at: recordBeginsAt })
  .meta({ id: 'ArchivedEvent', description: 'With `archive=true`: the event, from the database or the archive.' });

const archiveSearch = z
  .strictObject({
    audit_log: z.null(),
    archive: archiveRead,
    record_begins_at: recordBeginsAt,
    next_cursor: z.string().describe('The search goes on with it, with the same other parameters.'),
  })
  .meta({
    id: 'ArchiveSearch',
    description: 'With `archive=true`: the event was not found in this part of the archive, and there is more to read.',
  });

const exportedEvent = z
  .strictObject({
    ...auditEventFields,
    export: copy,
    deliveries: z
      .array(
        z.strictObject({
          destination: z.string(),
          state: z.enum(exportStates),
          delivered_at: z.iso.datetime().nullable(),
        }),
      )
      .describe('How far the event is on its way to each destination, the archive too.'),
  })
  .meta({ id: 'ExportedEvent', description: 'A recorded event, and where its archived copy is.' });

/** Null: only the database is asked. Parameters had no meaning before this one, and are still ignored without it. */
function readSearch(request: Request, id: string, tenant: TenantScope): ArchivedEventQuery | null {
  const search = getSearch(request);
  if (!search.has('archive')) return null;
  const { named } = requireValid(readQuery(parameters, search));
  return named.archive === 'true' ? requireValid(readArchivedEventQuery(id, named, tenant)) : null;
}

/** `GET /audit/:id`: one event, and where its archived copy is. */
export const getEvent: Route = {
  method: 'get',
  path: '/audit/:id',
  access: 'audit:read',
  problems: [404],
  operation: () => ({
    operationId: 'getEvent',
    summary: 'One event, and where its archived copy is',
    description:
      'With `archive=true` an event that the database does not have is looked for in the objects from `start_date` to `end_date`. ' +
      'Without them the search covers the hour before the time in an id of version 7, and five minutes behind it. It ends early ' +
      'where it has read enough; then ask again with `next_cursor`.',
    requestParams: { path: z.object({ id: z.guid() }), query: parameters },
    parameters: [preferHeader],
    responses: {
      200: {
        description: 'The event.',
        headers: readerHeaders,
        content: { 'application/json': { schema: z.union([exportedEvent, archivedEvent, archiveSearch]) } },
      },
    },
  }),
  createHandler:
    ({ sources, archive, bytesInFlight }) =>
    async (request, response) => {
      const id = z.guid().safeParse(request.params.id);
      if (!id.success)
        throw new HttpProblem(400, 'The id is not a UUID.', { errors: [{ path: 'id', message: 'must be a UUID' }] });
      const { tenant } = getCaller(response);
      const archived = readSearch(request, id.data.toLowerCase(), tenant);
      const search = archived && { query: archived, store: requireArchive(archive) };
      const reads = await sources.choose(request, response);
      const found = await reads.locateEvent(id.data, tenant);
      if (search !== null) {
        if (found === null)
          return sendJson(
            response,
            200,
            await findArchivedEvent(search.query, search.store, reads, abortWith(response)),
          );
        const answer = createJsonAnswer(response, bytesInFlight);
        answer.reserve(found.event.json.length);
        return answer.end(printArchivedEvent(found.event.json, found.event.exported, await reads.getRecordBegin()));
      }
      if (!found) throw new HttpProblem(404, `Audit log with ID ${id.data} not found.`);
      const { json, exported, deliveries } = found.event;
      const more = JSON.stringify({ export: exported, deliveries });
      sendJson(response, 200, `${json.slice(0, -1)},${more.slice(1)}`);
    },
};
