import { once } from 'node:events';
import type { Checked } from '@auditbox/core/event/audit-event.ts';
import { csvHeader, csvRow } from '@auditbox/core/text/csv-row.ts';
import type { EventPosition } from '@auditbox/db/queries/event-order.ts';
import { exportCells } from '@auditbox/db/queries/export-cells.ts';
import { exportLines } from '@auditbox/db/queries/export-lines.ts';
import type { Request, Response } from 'express';
import { z } from 'zod';
import { HttpProblem } from '../http/problem.ts';
import { listActions, type Route } from '../http/route.ts';
import type { CursorList } from './cursor.ts';
import { filterParameters, orderParameters, toFilter } from './parameters.ts';
import { getSearch, readQuery, requireValid, valueParameters } from './read-query.ts';
import { preferHeader, type Reader, readerHeaders } from './readers.ts';

const formats = ['ndjson', 'csv'] as const;
type Format = (typeof formats)[number];

function exportParameters(actions: readonly string[]) {
  const format = z.enum(formats, `must be ${formats.join(' or ')}`).optional();
  return z.strictObject({
    ...filterParameters(actions),
    ...orderParameters,
    format: format.describe('`ndjson` or `csv`. Default: the type that `Accept` names, otherwise `ndjson`.'),
  });
}

/**
 * `GET /audit/export`: all matching events, of any number, in constant memory. Each part begins after the last event of
 * the part before it, so that no snapshot stays open for hours. When a part fails, the connection breaks: an answer that
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
      await sendParts(response, format, (after, rows) => readPart(reader, format, list, after, rows));
    };
  },
};

function readExportQuery(
  parameters: ReturnType<typeof exportParameters>,
  search: URLSearchParams,
): Checked<{ readonly list: CursorList; readonly format: Format | null }> {
  const query = readQuery(parameters, search);
  if (!query.ok) return query;
  const { named, values } = query.value;
  const order = { by: named.sort_by ?? 'updated_at', direction: named.sort_order ?? 'asc' } as const;
  return { ok: true, value: { list: { filter: toFilter(named, values), order }, format: named.format ?? null } };
}

function acceptedFormat(request: Request): Format {
  const type = request.accepts('application/x-ndjson', 'application/ndjson', 'text/csv');
  if (type === false) throw new HttpProblem(406, 'An export is application/x-ndjson or text/csv.');
  return type === 'text/csv' ? 'csv' : 'ndjson';
}

/** Memory holds two parts of each export, and the bytes that the connection has not accepted yet. */
const partBytes = 1024 * 1024;
const maxRows = 2_000;
const firstRows = 100;

interface Part {
  readonly text: string | Buffer;
  readonly rows: number;
  /** The position of the last event; null when no event is left. */
  readonly last: EventPosition | null;
}

async function readPart(
  reader: Reader,
  format: Format,
  { filter, order }: CursorList,
  after: EventPosition | null,
  rows: number,
): Promise<Part> {
  const part = { filter, order, after, maxRows: Math.min(rows, maxRows), maxBytes: partBytes };
  const pool = reader.poolFor(filter);
  if (format === 'csv') {
    const { rows: cells, last } = await exportCells(pool, part);
    return { text: cells.map(csvRow).join(''), rows: cells.length, last };
  }
  const { ndjson: text, ...lines } = await exportLines(pool, part);
  return { text, ...lines };
}

const mediaTypes = { ndjson: 'application/x-ndjson; charset=utf-8', csv: 'text/csv; charset=utf-8; header=present' };

async function sendParts(
  response: Response,
  format: Format,
  read: (after: EventPosition | null, rows: number) => Promise<Part>,
): Promise<void> {
  const first = await read(null, firstRows);
  response.writeHead(200, {
    'content-type': mediaTypes[format],
    'content-disposition': `attachment; filename="audit.${format}"`,
  });
  if (format === 'csv') response.write(csvHeader);
  for (let part = first; part.last !== null && !response.destroyed; ) {
    // The database reads the next part while this one is sent.
    const upcoming = read(part.last, estimateRows(part));
    upcoming.catch(() => {});
    if (!response.write(part.text)) await awaitDrain(response);
    part = await upcoming;
  }
  response.end();
}

/** How many rows fill the next part. The database encodes rows that do not fit in vain, so the estimate is only a little high. */
function estimateRows({ rows, text }: Part): number {
  return Math.ceil(rows * Math.min(2, (1.05 * partBytes) / text.length));
}

/** Also resolves when the caller closes the connection. */
async function awaitDrain(response: Response): Promise<void> {
  const closed = new AbortController();
  response.once('close', () => closed.abort());
  await once(response, 'drain', { signal: closed.signal }).catch(() => {});
}
