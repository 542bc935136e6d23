import { eventReader, maxEventBytes } from '@auditbox/core/event/read-event.ts';
import type { ZodOpenApiResponseObject } from 'zod-openapi';
import { bodyText, parseBody } from '../http/body.ts';
import { sendJson } from '../http/json.ts';
import { HttpProblem } from '../http/problem.ts';
import type { Route } from '../http/route.ts';
import { auditEvent } from '../read/event-answer.ts';
import { exampleEvent } from './example-event.ts';
import { addCaller, recordEvents, requireRecent } from './record-for-caller.ts';

/** `POST /audit`: records one event, and answers after its commit. */
export const postEvent: Route = {
  method: 'post',
  path: '/audit',
  access: 'write',
  // A single event larger than a megabyte is a mistake, not a record.
  body: { types: ['application/json'], maxBytes: maxEventBytes },
  problems: [409, 422],
  operation: ({ actions, newAuditEvent }) => ({
    operationId: 'postEvent',
    summary: 'Record an event',
    description:
      'Answers after the commit reached the disk. With your `id` a retry is harmless: the same event again is a 200. ' +
      'At most 1 MiB.',
    requestBody: {
      required: true,
      content: {
        'application/json': { schema: newAuditEvent, examples: { event: { value: exampleEvent(actions) } } },
      },
    },
    responses: { 201: answer('Stored.'), 200: answer('The same event was stored before.') },
  }),
  createHandler: ({ settings, coalescer, keyLimits }) => {
    const readEvent = eventReader(settings.actions);
    return async (request, response) => {
      const text = bodyText(request);
      const event = parseBody(() => readEvent(text));
      if (!event.ok) throw new HttpProblem(422, 'The body is not a valid audit event.', { errors: event.problems });
      keyLimits.use(response, 'events', 1);
      requireRecent([event.value], settings.oldestEventDays, printPath);
      const { id, outcome, json } = await recordEvents(
        () => coalescer.write(addCaller(event.value, response)),
        printPath,
      );
      sendJson(response, outcome === 'created' ? 201 : 200, json, {
        location: `${settings.pathPrefix}/audit/${id}`,
      });
    };
  },
};

function printPath(_index: number, field: string): string {
  return field;
}

function answer(description: string): ZodOpenApiResponseObject {
  return {
    description,
    headers: {
      Location: {
        description: 'The URL of the event.',
        required: true,
        schema: { type: 'string', format: 'uri-reference' },
      },
    },
    content: { 'application/json': { schema: auditEvent } },
  };
}
