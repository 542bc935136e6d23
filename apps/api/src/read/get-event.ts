import { z } from 'zod';
import { getCaller } from '../http/caller.ts';
import { sendJson } from '../http/json.ts';
import { HttpProblem } from '../http/problem.ts';
import type { Route } from '../http/route.ts';
import { auditEventFields } from './event-answer.ts';
import { exportStates } from './export-states.ts';
import { preferHeader, readerHeaders } from './readers.ts';

const exportedEvent = z
  .strictObject({
    ...auditEventFields,
    export: z
      .strictObject({
        state: z.enum(exportStates),
        object_key: z.string().nullable(),
        sha256: z.string().nullable().describe('The hash of the uncompressed NDJSON.'),
        exported_at: z.iso.datetime().nullable(),
      })
      .describe('Where the archived copy is. Its key, hash and time are null until the copy exists.'),
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

/** `GET /audit/:id`: one event, and where its archived copy is. */
export const getEvent: Route = {
  method: 'get',
  path: '/audit/:id',
  access: 'audit:read',
  problems: [404],
  operation: () => ({
    operationId: 'getEvent',
    summary: 'One event, and where its archived copy is',
    requestParams: { path: z.object({ id: z.guid() }) },
    parameters: [preferHeader],
    responses: {
      200: {
        description: 'The event.',
        headers: readerHeaders,
        content: { 'application/json': { schema: exportedEvent } },
      },
    },
  }),
  createHandler:
    ({ sources }) =>
    async (request, response) => {
      const id = z.guid().safeParse(request.params.id);
      if (!id.success)
        throw new HttpProblem(400, 'The id is not a UUID.', { errors: [{ path: 'id', message: 'must be a UUID' }] });
      const reads = await sources.choose(request, response);
      const found = await reads.locateEvent(id.data, getCaller(response).tenant);
      if (!found) throw new HttpProblem(404, `Audit log with ID ${id.data} not found.`);
      const { json, exported, deliveries } = found.event;
      const more = JSON.stringify({ export: exported, deliveries });
      sendJson(response, 200, `${json.slice(0, -1)},${more.slice(1)}`);
    },
};
