import { eventReader, maxEventBytes } from '@auditbox/core/event/read-event.ts';
import { countPatterns } from '@auditbox/core/keys/key-bounds.ts';
import { z } from 'zod';
import type { ZodOpenApiResponseObject } from 'zod-openapi';
import { bodyText, parseBody } from '../http/body.ts';
import { getCaller } from '../http/caller.ts';
import { sendJson } from '../http/json.ts';
import { runSteps } from '../http/long-work.ts';
import { HttpProblem } from '../http/problem.ts';
import type { Route } from '../http/route.ts';
import { auditEvent } from '../read/event-answer.ts';
import { readOptionalQuery } from '../read/read-query.ts';
import { dryRun, showEvent } from './dry-run.ts';
import { exampleEvent } from './example-event.ts';
import { idempotencyKeyHeader } from './idempotency-key.ts';
import { prepareEvent } from './prepare-event.ts';
import { readWriteRequest, recordEvents, toWriteProblem } from './record-for-caller.ts';

const eventParameters = z.strictObject({ dry_run: dryRun });

const receipt = z
  .strictObject({ id: z.guid() })
  .meta({ id: 'EventReceipt', description: 'The answer to a key that may not read events.' });

const written = z.union([auditEvent, receipt]).meta({ id: 'WrittenEvent' });

/** `POST /audit`: records one event, and answers after its commit. */
export const postEvent: Route = {
  method: 'post',
  path: '/audit',
  access: 'audit:write',
  // A single event larger than a megabyte is a mistake, not a record.
  body: { types: ['application/json'], maxBytes: maxEventBytes },
  problems: [409, 422],
  operation: ({ actions, newAuditEvent }) => ({
    operationId: 'postEvent',
    summary: 'Record an event',
    description:
      'Answers after the commit reached the disk. With your `id` a retry is harmless: the same event again is a 200. ' +
      'At most 1 MiB.',
    requestParams: { query: eventParameters },
    parameters: [idempotencyKeyHeader],
    requestBody: {
      required: true,
      content: {
        'application/json': { schema: newAuditEvent, examples: { event: { value: exampleEvent(actions) } } },
      },
    },
    responses: {
      201: answer('Stored.', true),
      200: answer(
        'The same event was stored before; or with `dry_run=true`, without Location, what would be stored.',
        false,
      ),
    },
  }),
  createHandler: (parts) => {
    const { settings, coalescer, keyLimits } = parts;
    const readEvent = eventReader(settings.actions);
    return async (request, response) => {
      const { dry_run: isDry } = readOptionalQuery(eventParameters, request);
      const text = bodyText(request);
      const event = parseBody(() => readEvent(text));
      if (!event.ok) throw new HttpProblem(422, 'The body is not a valid audit event.', { errors: event.problems });
      keyLimits.use(response, 'events', 1);
      const write = await readWriteRequest(request, response, text, parts);
      const length = text.length + countPatterns(write.caller.bounds);
      const prepared = await runSteps(prepareEvent(event.value, write, 0), length);
      if (prepared.kind !== 'ready') throw toWriteProblem(prepared, prepared.problems);
      if (isDry === 'true') return sendJson(response, 200, showEvent(prepared.event));
      const { id, outcome, json, receipt } = await recordEvents(
        () => coalescer.write(prepared.event),
        printPath,
        () => prepared.event,
      );
      const mayRead = getCaller(response).scopes.has('audit:read');
      const body = mayRead ? json : JSON.stringify({ id });
      sendJson(response, outcome === 'created' ? 201 : 200, body, {
        location: `${settings.pathPrefix}/audit/${id}`,
        ...(receipt !== null && { 'auditbox-receipt': Buffer.from(receipt).toString('base64') }),
      });
    };
  },
};

function printPath(_index: number, field: string): string {
  return field;
}

function answer(description: string, hasLocation: boolean): ZodOpenApiResponseObject {
  return {
    description,
    headers: {
      Location: {
        description: 'The URL of the event.',
        required: hasLocation,
        schema: { type: 'string', format: 'uri-reference' },
      },
      'Auditbox-Receipt': {
        description: 'A signed receipt for the stored event, in base64, where AUDIT_RECEIPTS_ORIGIN is set.',
        schema: { type: 'string', format: 'byte' },
      },
    },
    content: { 'application/json': { schema: written } },
  };
}
