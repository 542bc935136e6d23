import { eventReader } from '@auditbox/core/event/read-event.ts';
import { readBatch } from '@auditbox/core/event/read-events.ts';
import { storeAuditEvents } from '@auditbox/db/events/store-events.ts';
import { z } from 'zod';
import { bodyText, mediaType, toBodyProblem } from '../http/body.ts';
import { sendJson } from '../http/json.ts';
import { runInPieces } from '../http/long-work.ts';
import { HttpProblem } from '../http/problem.ts';
import type { Route } from '../http/route.ts';
import { exampleEvent } from './example-event.ts';
import { addCaller, recordEvents, requireRecent } from './record-for-caller.ts';

const maxEvents = 10_000;
/** Each is a table. A batch across more of them is sent in parts. */
const maxNewMonths = 2;

function printPath(index: number, field: string): string {
  return `[${index}].${field}`;
}

const batchReceipt = z
  .strictObject({
    created: z.int().describe('How many events this request stored.'),
    existing: z.int().describe('How many events were stored before, with the same content.'),
    ids: z.array(z.guid()).describe('The ids of all events, in the order of the request.'),
  })
  .meta({ id: 'BatchReceipt' });

/** `POST /audit/batch`: records events of a JSON array or NDJSON, all of them or none. */
export const postBatch: Route = {
  method: 'post',
  path: '/audit/batch',
  access: 'write',
  body: { types: ['application/json', 'application/x-ndjson'], maxBytes: 8 * 1024 * 1024 },
  problems: [409, 422],
  operation: ({ actions, newAuditEvent }) => {
    const { id: _id, ...example } = exampleEvent(actions);
    const line = JSON.stringify(example);
    return {
      operationId: 'postBatch',
      summary: 'Record events together',
      description: `All events or none, in one transaction. At most ${maxEvents} events and 8 MiB, and 1 MiB for each event.`,
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: newAuditEvent.array().min(1).max(maxEvents),
            examples: { events: { value: [example, example] } },
          },
          'application/x-ndjson': {
            schema: { type: 'string', description: 'One event per line. Blank lines are ignored.' },
            examples: { lines: { value: `${line}\n${line}\n` } },
          },
        },
      },
      responses: {
        201: { description: 'All events are stored.', content: { 'application/json': { schema: batchReceipt } } },
        200: {
          description: 'All events were stored before.',
          content: { 'application/json': { schema: batchReceipt } },
        },
      },
    };
  },
  createHandler: ({ settings, db, months, metrics, keyLimits }) => {
    const readEvent = eventReader(settings.actions);
    return async (request, response) => {
      const text = bodyText(request);
      const form = mediaType(request) === 'application/json' ? 'array' : 'lines';
      const events = await runInPieces(readBatch(text, form, readEvent, maxEvents)).catch((error: unknown) => {
        throw toBodyProblem(error);
      });
      if (!events.ok)
        throw new HttpProblem(422, 'The batch is invalid. Nothing was stored.', { errors: events.problems });
      keyLimits.use(response, 'events', events.value.length);
      requireRecent(events.value, settings.oldestEventDays, printPath);
      const written = await recordEvents(
        () =>
          storeAuditEvents(
            db,
            events.value.map((event) => addCaller(event, response)),
            { months, maxNewMonths },
          ),
        printPath,
      );
      metrics.stored(written);
      const created = written.filter(({ outcome }) => outcome === 'created').length;
      const ids = written.map(({ id }) => id);
      const receipt = { created, existing: ids.length - created, ids };
      sendJson(response, created > 0 ? 201 : 200, JSON.stringify(receipt));
    };
  },
};
