import { once } from 'node:events';
import type { Checked } from '@auditbox/core/event/audit-event.ts';
import { csvHeader, csvRow } from '@auditbox/core/text/csv-row.ts';
import type { EventPosition } from '@auditbox/db/queries/event-order.ts';
import type { ExportedCells, ExportedLines, ExportPart } from '@auditbox/db/queries/export-parts.ts';
import type { Request, RequestHandler, Response } from 'express';
import { HttpProblem } from '../../http/problem.ts';
import type { Reader } from '../choose-reader.ts';
import type { CursorList } from '../cursor.ts';
import { searchOf } from '../list/list-events.ts';

export interface ExportEventsDependencies {
  readonly readExportQuery: (search: URLSearchParams) => Checked<CursorList & { readonly format: ExportFormat | null }>;
  readonly exportLines: (part: ExportPart, reader: Reader) => Promise<ExportedLines>;
  readonly exportCells: (part: ExportPart, reader: Reader) => Promise<ExportedCells>;
  readonly readFrom: (request: Request) => Reader;
}

export const exportFormats = ['ndjson', 'csv'] as const;
export type ExportFormat = (typeof exportFormats)[number];

const mediaTypes = { ndjson: 'application/x-ndjson; charset=utf-8', csv: 'text/csv; charset=utf-8; header=present' };

/** Memory holds two parts of each export, and what the connection has not taken yet. */
const partBytes = 1024 * 1024;
const maxRows = 2_000;
const firstRows = 100;

/**
 * `GET /audit/export`: all matching events, of any number, in flat memory: part after part, each behind the last event
 * of the one before, so that no snapshot is held open for hours. When a part fails, the connection breaks: an answer
 * that ends well is whole.
 */
export function exportEvents(dependencies: ExportEventsDependencies): RequestHandler {
  const { readExportQuery, exportLines, exportCells, readFrom } = dependencies;
  return async (request, response) => {
    const query = readExportQuery(searchOf(request));
    if (!query.ok) throw new HttpProblem(400, 'Some parameters are wrong.', { errors: query.problems });
    const format = query.value.format ?? acceptedFormat(request);
    const { filter, order } = query.value;
    const reader = readFrom(request);
    const next = async (after: EventPosition | null, rows: number) => {
      const part = { filter, order, after, maxRows: Math.min(rows, maxRows), maxBytes: partBytes };
      if (format === 'csv') return asCsv(await exportCells(part, reader));
      const { ndjson, ...rest } = await exportLines(part, reader);
      return { text: ndjson, ...rest };
    };
    const first = await next(null, firstRows);
    response.writeHead(200, {
      'content-type': mediaTypes[format],
      'content-disposition': `attachment; filename="audit.${format}"`,
    });
    if (format === 'csv') response.write(csvHeader);
    for (let part = first; part.last !== null && !response.destroyed; ) {
      // The database works on the next part while this one leaves.
      const upcoming = next(part.last, rowsAfter(part));
      upcoming.catch(() => {});
      if (!response.write(part.text)) await drained(response);
      part = await upcoming;
    }
    response.end();
  };
}

/** How many rows will fill a part, and few more: what does not fit is rendered in vain. */
function rowsAfter({ rows, text }: { rows: number; text: string | Buffer }): number {
  return Math.ceil(rows * Math.min(2, (1.05 * partBytes) / text.length));
}

function asCsv({ rows, last }: ExportedCells): { text: string; rows: number; last: EventPosition | null } {
  return { text: rows.map(csvRow).join(''), rows: rows.length, last };
}

/** A caller that goes away takes nothing any more, and the export ends. */
async function drained(response: Response): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  await once(response, 'drain', { signal: gone.signal }).catch(() => {});
}

function acceptedFormat(request: Request): ExportFormat {
  const type = request.accepts('application/x-ndjson', 'application/ndjson', 'text/csv');
  if (type === false) throw new HttpProblem(406, 'An export is application/x-ndjson or text/csv.');
  return type === 'text/csv' ? 'csv' : 'ndjson';
}
