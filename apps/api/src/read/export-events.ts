import { once } from 'node:events';
import type { Checked } from '@auditbox/core/event/audit-event.ts';
import { csvHeader } from '@auditbox/core/text/csv-row.ts';
import { giveBack } from '@auditbox/db/database/collect-chunks.ts';
import type { Request, Response } from 'express';
import { z } from 'zod';
import { HttpProblem } from '../http/problem.ts';
import { listActions, type Route } from '../http/route.ts';
import type { CursorList } from './cursor.ts';
import { type ExportFormat, type ExportSource, openExportSource } from './export-source.ts';
import { filterParameters, orderParameters, toFilter } from './parameters.ts';
import { getSearch, readQuery, requireValid, valueParameters } from './read-query.ts';
import { preferHeader, readerHeaders } from './readers.ts';

const formats = ['ndjson', 'csv'] as const satisfies readonly ExportFormat[];

function exportParameters(actions: readonly string[]) {
  const format = z.enum(formats, `must be ${formats.join(' or ')}`).optional();
  return z.strictObject({
    ...filterParameters(actions),
    ...orderParameters,
    format: format.describe('`ndjson` or `csv`. Default: the type that `Accept` names, otherwise `ndjson`.'),
  });
}

/**
 * `GET /audit/export`: all matching events, of any number, in constant memory. When a part fails, the connection breaks: an answer that
 * ends normally is complete.
 */
export const exportEvents: Route = {
  method: 'get',
  path: '/audit/export',
  access: 'read',
  problems: [406],
  operation: ({ actions }) => ({
    operationId: 'exportEvents',
    summary: 'Export events',
    description:
      'All matching events, of any number, oldest first by default. When an error happens during the export, the connection ' +
      'breaks: an answer that ends normally is complete.',
    requestParams: { query: exportParameters(listActions(actions)) },
    parameters: [valueParameters, preferHeader],
    responses: {
      200: {
        description: 'The events.',
        headers: {
          'Content-Disposition': { description: 'A file name.', required: true, schema: { type: 'string' } },
          ...readerHeaders,
        },
        content: {
          'application/x-ndjson': { schema: { type: 'string', description: 'One `AuditEvent` per line.' } },
          'text/csv': {
            schema: {
              type: 'string',
              description:
                'RFC 4180 with a header; values as JSON. A cell that a spreadsheet could run as a formula begins with an apostrophe.',
            },
          },
        },
      },
    },
  }),
  createHandler: ({ settings, readers }) => {
    const parameters = exportParameters(settings.actions);
    return async (request, response) => {
      const { list, format: wanted } = requireValid(readExportQuery(parameters, getSearch(request)));
      const format = wanted ?? acceptedFormat(request);
      const reader = await readers.choose(request, response);
      const left = new AbortController();
      response.once('close', () => left.abort());
      const source = openExportSource(reader.poolFor(list.filter), format, list, left.signal);
      try {
        await sendParts(response, format, source);
      } catch (error) {
        if (!left.signal.aborted) throw error;
      }
    };
  },
};

function readExportQuery(
  parameters: ReturnType<typeof exportParameters>,
  search: URLSearchParams,
): Checked<{ readonly list: CursorList; readonly format: ExportFormat | null }> {
  const query = readQuery(parameters, search);
  if (!query.ok) return query;
  const { named, values } = query.value;
  const order = { by: named.sort_by ?? 'updated_at', direction: named.sort_order ?? 'asc' } as const;
  return { ok: true, value: { list: { filter: toFilter(named, values), order }, format: named.format ?? null } };
}

function acceptedFormat(request: Request): ExportFormat {
  const type = request.accepts('application/x-ndjson', 'application/ndjson', 'text/csv');
  if (type === false) throw new HttpProblem(406, 'An export is application/x-ndjson or text/csv.');
  return type === 'text/csv' ? 'csv' : 'ndjson';
}

const mediaTypes = { ndjson: 'application/x-ndjson; charset=utf-8', csv: 'text/csv; charset=utf-8; header=present' };

/** Nothing is sent before the first part, so an error until then is a problem document. */
async function sendParts(response: Response, format: ExportFormat, source: ExportSource): Promise<void> {
  const first = await source.next();
  response.writeHead(200, {
    'content-type': mediaTypes[format],
    'content-disposition': `attachment; filename="audit.${format}"`,
  });
  if (format === 'csv') response.write(csvHeader);
  for (let part = first; part !== null && !response.destroyed; part = await source.next()) {
    for (const chunk of part) {
      const isRead = response.write(chunk, (error) => {
        if (!error) giveBack(chunk);
      });
      if (!isRead) await awaitDrain(response);
    }
  }
  response.end();
}

/** Also resolves when the caller closes the connection. */
async function awaitDrain(response: Response): Promise<void> {
  const closed = new AbortController();
  response.once('close', () => closed.abort());
  await once(response, 'drain', { signal: closed.signal }).catch(() => {});
}
