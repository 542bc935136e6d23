import type { Checked } from '@auditbox/core/event/audit-event.ts';
import type { TenantScope } from '@auditbox/core/keys/tenant-scope.ts';
import type { Request, Response } from 'express';
import { z } from 'zod';
import { openArchiveExport, requireClosingLine } from '../archive/archive-export.ts';
import { type ArchiveListQuery, abortWith, readArchiveQuery, requireArchive } from '../archive/list-archive.ts';
import { breakConnection } from '../http/break-connection.ts';
import { getCaller } from '../http/caller.ts';
import { awaitTurn } from '../http/long-work.ts';
import { HttpProblem } from '../http/problem.ts';
import { listActions, type Route } from '../http/route.ts';
import type { CursorList } from './cursor.ts';
import { type ExportFormat, partBytes, partsHeld } from './export-source.ts';
import { filterParameters, orderParameters, partParameters, toFilter } from './parameters.ts';
import { getSearch, invalid, readQuery, requireValid, valueParameters } from './read-query.ts';
import { preferHeader, readerHeaders } from './readers.ts';
import { reservedBytes, sendParts } from './send-export.ts';

const formats = ['ndjson', 'csv'] as const satisfies readonly ExportFormat[];

function exportParameters(actions: readonly string[]) {
  const format = z.enum(formats, `must be ${formats.join(' or ')}`).optional();
  return z.strictObject({
    ...filterParameters(actions),
    ...orderParameters,
    archive: z
      .enum(['true', 'false'], 'must be true or false')
      .optional()
      .describe(
        '`true`: read the objects in the bucket instead of the database. Needs `start_date`, `end_date` and `closing_line=true`. The ' +
          'export ends early where it has read enough: its closing line has the `next_cursor` of the part after it.',
      ),
    cursor: partParameters.cursor.describe(
      'Only with `archive=true`: `next_cursor` of the closing line of the part before.',
    ),
    bom: z
      .enum(['true', 'false'], 'must be true or false')
      .optional()
      .describe('`true`: CSV begins with a byte order mark. Excel needs it to read UTF-8.'),
    closing_line: z
      .enum(['true', 'false'], 'must be true or false')
      .optional()
      .describe(
        '`true`: one more line at the end says how many rows were sent and where the record begins, ' +
          '`{"export_rows":42,"record_begins_at":null}` or in CSV `# 42 rows; record_begins_at none`. For callers behind ' +
          'proxies that hide broken connections.',
      ),
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
  access: 'audit:read',
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
          Trailer: {
            description:
              'Names the trailers `Auditbox-Export-Rows`, how many rows were sent, `Auditbox-Record-Begins-At`, as it is at the ' +
              'end of the export, and with `archive=true` `Auditbox-Next-Cursor`. They are missing over HTTP/1.0, which has no trailers.',
            schema: { type: 'string' },
          },
          'Auditbox-Record-Begins-At': {
            description:
              'As `record_begins_at` of a list: from which event time on the record is whole, or `none`. The header is as of the ' +
              'beginning of the export, the trailer as of its end: retention may remove a month in between.',
            required: true,
            schema: { type: 'string' },
          },
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
  createHandler: ({ settings, sources, archive, bytesInFlight }) => {
    const parameters = exportParameters(settings.actions);
    return async (request, response) => {
      const {
        list,
        archived,
        format: wanted,
        ...form
      } = requireValid(readExportQuery(parameters, getSearch(request), getCaller(response).tenant));
      const format = wanted ?? acceptedFormat(request);
      const store = archived && requireArchive(archive);
      const reads = await sources.choose(request, response);
      const signal = abortWith(response);
      endWithKey(response);
      bytesInFlight.hold(response, reservedBytes);
      let isFast = false;
      const mayBeFast = () => {
        isFast ||= bytesInFlight.tryHold(response, fastBytes);
        return isFast;
      };
      try {
        await awaitTurn();
        const source =
          archived === null || store === null
            ? await reads.openExport(format, list, { signal, mayBeFast })
            : openArchiveExport(archived, format, { archive: store, reads, signal });
        if (archived !== null) bytesInFlight.hold(response, fastBytes);
        const hold = (bytes: number) => bytesInFlight.hold(response, bytes);
        await sendParts(response, { format, ...form }, source, { hold, getRecordBegin: () => reads.getRecordBegin() });
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    };
  },
};

/** A revoked key's export breaks within 5 seconds: this often, and the answer is a second old at most. */
const checkKeyEveryMs = 3_000;

/** Breaks the answer when the caller's key is revoked or expires. */
function endWithKey(response: Response): void {
  const { isStillValid } = getCaller(response);
  const timer = setInterval(() => {
    // While the database does not answer, the export does not get any rows either.
    isStillValid().then(
      (isValid) => {
        if (!isValid) breakConnection(response.socket);
      },
      () => {},
    );
  }, checkKeyEveryMs);
  response.once('close', () => clearInterval(timer));
}

function readExportQuery(
  parameters: ReturnType<typeof exportParameters>,
  search: URLSearchParams,
  tenant: TenantScope,
): Checked<{
  readonly list: CursorList;
  /** Null: the database is read. */
  readonly archived: ArchiveListQuery | null;
  readonly format: ExportFormat | null;
  readonly hasClosingLine: boolean;
  readonly hasBom: boolean;
  readonly isContinued: boolean;
}> {
  const query = readQuery(parameters, search);
  if (!query.ok) return query;
  const { named, values } = query.value;
  const order = { by: named.sort_by ?? 'updated_at', direction: named.sort_order ?? 'asc' } as const;
  const list = { filter: toFilter(named, values, tenant), order };
  const hasClosingLine = named.closing_line === 'true';
  const isContinued = (named.cursor ?? '') !== '';
  const form = { format: named.format ?? null, hasClosingLine, hasBom: named.bom === 'true', isContinued };
  if (named.archive !== 'true')
    return named.cursor === undefined
      ? { ok: true, value: { list, archived: null, ...form } }
      : invalid('cursor', 'needs archive=true');
  const asked = readArchiveQuery({ ...named, sort_order: order.direction, page_size: 0 }, list.filter);
  const archived = requireClosingLine(asked, hasClosingLine);
  return archived.ok ? { ok: true, value: { list, archived: archived.value, ...form } } : archived;
}

function acceptedFormat(request: Request): ExportFormat {
  const type = request.accepts('application/x-ndjson', 'application/ndjson', 'text/csv');
  if (type === false) throw new HttpProblem(406, 'An export is application/x-ndjson or text/csv.');
  return type === 'text/csv' ? 'csv' : 'ndjson';
}

/** What an export holds in addition while it is fast. */
const fastBytes = partsHeld * partBytes.fast;
