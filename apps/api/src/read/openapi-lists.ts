import type { ZodOpenApiPathsObject } from 'zod-openapi';
import { refusing } from '../http/openapi/refusals.ts';
import { exportParameters } from './export/export-query.ts';
import { eventList } from './list/event-list.ts';
import { listParameters } from './list/list-query.ts';
import { prefer, readerHeaders, reading, valueParameters } from './openapi-parts.ts';

/** The routes that list and export events. */
export function listPaths(actions: readonly string[]): ZodOpenApiPathsObject {
  return {
    '/audit': {
      get: {
        ...reading,
        operationId: 'listEvents',
        summary: 'List events',
        description:
          'By `page`; or on from a `cursor`, at any depth; or with `recorded_after`, for pollers: what was recorded since, also by ' +
          'transactions that committed late, nothing twice and nothing never. A poller passes the same `recorded_after` and ' +
          'the last `next_cursor` on each call.',
        requestParams: { query: listParameters(actions) },
        parameters: [valueParameters, prefer],
        responses: {
          200: {
            description: 'A part of the matching events.',
            headers: {
              Link: {
                description: 'Where to go on: `<URL>; rel="next"`. Left out where there is nowhere.',
                schema: { type: 'string' },
              },
              ...readerHeaders,
            },
            content: { 'application/json': { schema: eventList } },
          },
          ...refusing(400, 401, 403, 503),
        },
      },
    },
    '/audit/export': {
      get: {
        ...reading,
        operationId: 'exportEvents',
        summary: 'Export events',
        description:
          'All matching events, of any number, oldest first unless asked otherwise. When something fails on the way, the ' +
          'connection breaks: an answer that ends well is whole.',
        requestParams: { query: exportParameters(actions) },
        parameters: [valueParameters, prefer],
        responses: {
          200: {
            description: 'The events.',
            headers: {
              'Content-Disposition': { description: 'A file name.', required: true, schema: { type: 'string' } },
              ...readerHeaders,
            },
            content: {
              'application/x-ndjson': { schema: { type: 'string', description: 'An `AuditEvent` a line.' } },
              'text/csv': {
                schema: {
                  type: 'string',
                  description:
                    'RFC 4180 with a header; values as JSON. What a spreadsheet takes for a formula begins with an apostrophe.',
                },
              },
            },
          },
          ...refusing(400, 401, 403, 406, 503),
        },
      },
    },
  };
}
