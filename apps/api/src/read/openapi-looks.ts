import { z } from 'zod';
import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { refusing } from '../http/openapi/refusals.ts';
import { exportedEvent } from './event/exported-event.ts';
import { objectHistory } from './history/history-answer.ts';
import { historyParameters } from './history/history-query.ts';
import { prefer, readerHeaders, reading, valueParameters } from './openapi-parts.ts';
import { eventCounts } from './stats/event-counts.ts';
import { statsParameters } from './stats/stats-query.ts';

/** The routes about one event, one object, and numbers. */
export function lookPaths(actions: readonly string[]): ZodOpenApiPathsObject {
  return {
    '/audit/{id}': {
      get: {
        ...reading,
        operationId: 'getEvent',
        summary: 'One event, and where its archived copy is',
        requestParams: { path: z.object({ id: z.guid() }) },
        parameters: [prefer],
        responses: {
          200: {
            description: 'The event.',
            headers: readerHeaders,
            content: { 'application/json': { schema: exportedEvent } },
          },
          ...refusing(400, 401, 403, 404, 503),
        },
      },
    },
    '/audit/stats': {
      get: {
        ...reading,
        operationId: 'countEvents',
        summary: 'Count events by hour or day',
        description:
          'Of the last 30 days, or the last day by the hour, unless dates are given; of 366 days, or 31 by the hour, at most.',
        requestParams: { query: statsParameters(actions) },
        parameters: [valueParameters, prefer],
        responses: {
          200: {
            description: 'The counts.',
            headers: readerHeaders,
            content: { 'application/json': { schema: eventCounts } },
          },
          ...refusing(400, 401, 403, 503),
        },
      },
    },
    '/audit/objects/{table_name}/{object_id}': {
      get: {
        ...reading,
        operationId: 'objectHistory',
        summary: 'What happened to one object',
        description:
          'Oldest first, each event with what it changed. An object of which nothing is known has an empty history.',
        requestParams: {
          path: z.object({ table_name: z.string(), object_id: z.string() }),
          query: historyParameters(),
        },
        parameters: [prefer],
        responses: {
          200: {
            description: 'A part of its history.',
            headers: readerHeaders,
            content: { 'application/json': { schema: objectHistory } },
          },
          ...refusing(400, 401, 403, 503),
        },
      },
    },
  };
}
