import type { Actions } from '@auditbox/core/event/event-schema.ts';
import type { z } from 'zod';
import type { ZodOpenApiOperationObject, ZodOpenApiPathsObject } from 'zod-openapi';
import { refusing } from '../http/openapi/refusals.ts';
import { auditEvent } from '../read/audit-event.ts';
import { batchReceipt } from './batch-receipt.ts';
import { maxBatchEvents } from './post-batch.ts';

const writing = {
  tags: ['Write'],
  security: [{ key: ['write'] }],
} as const satisfies Partial<ZodOpenApiOperationObject>;

const example = {
  id: '0198c5e2-7d6b-7c1e-9f43-2b1f6a7c8d90',
  updated_at: '2026-07-03T11:46:50.269Z',
  changed_by: 'ana@example.com',
  action: 'updated',
  table_name: 'teams',
  object_id: '42',
  before_value: { max_budget: 10 },
  updated_values: { max_budget: 25 },
  context: { ip: '192.0.2.7' },
};

/** An example whose action is one that this api takes. */
function exampleFor(actions: Actions): typeof example {
  const isTaken = actions === 'any' || actions.includes(example.action);
  return isTaken ? example : { ...example, action: actions[0] ?? example.action };
}

/** The routes that write. */
export function writePaths(actions: Actions, newAuditEvent: z.ZodType): ZodOpenApiPathsObject {
  const one = exampleFor(actions);
  const { id: _made, ...other } = one;
  const location = {
    Location: {
      description: 'Where the event is.',
      required: true,
      schema: { type: 'string', format: 'uri-reference' },
    },
  } as const;
  return {
    '/audit': {
      post: {
        ...writing,
        operationId: 'postEvent',
        summary: 'Record an event',
        description:
          'Answers after the commit reached the disk. With an `id` of your own a retry is harmless: the same event again is a 200. ' +
          'At most 1 MiB.',
        requestBody: {
          required: true,
          content: { 'application/json': { schema: newAuditEvent, examples: { event: { value: one } } } },
        },
        responses: {
          201: { description: 'Stored.', headers: location, content: { 'application/json': { schema: auditEvent } } },
          200: {
            description: 'This very event was stored before.',
            headers: location,
            content: { 'application/json': { schema: auditEvent } },
          },
          ...refusing(400, 401, 403, 409, 413, 415, 422, 503),
        },
      },
    },
    '/audit/batch': {
      post: {
        ...writing,
        operationId: 'postBatch',
        summary: 'Record events together',
        description: `All or nothing, in one transaction. At most ${maxBatchEvents} events and 8 MiB.`,
        requestBody: {
          required: true,
          content: {
            'application/json': {
              schema: newAuditEvent.array().min(1).max(maxBatchEvents),
              examples: { events: { value: [other, other] } },
            },
            'application/x-ndjson': {
              schema: { type: 'string', description: 'An event a line; blank lines do not count.' },
              examples: { lines: { value: `${JSON.stringify(other)}\n${JSON.stringify(other)}\n` } },
            },
          },
        },
        responses: {
          201: { description: 'All are stored.', content: { 'application/json': { schema: batchReceipt } } },
          200: { description: 'All were stored before.', content: { 'application/json': { schema: batchReceipt } } },
          ...refusing(400, 401, 403, 409, 413, 415, 422, 503),
        },
      },
    },
  };
}
