import type { Checked } from '@auditbox/core/event/audit-event.ts';
import type { EventFilter } from '@auditbox/db/queries/event-filter.ts';
import type { Request, Response } from 'express';
import { z } from 'zod';
import type { BytesInFlight } from '../http/bytes-in-flight.ts';
import { HttpProblem } from '../http/problem.ts';
import { type CursorList, printArchiveCursor, readArchiveCursor } from '../read/cursor.ts';
import { auditEvent, nextCursor, recordBeginsAt } from '../read/event-answer.ts';
import type { EventReads, Sources } from '../read/event-reads.ts';
import { invalid } from '../read/read-query.ts';
import { type ArchivePlace, listOverCells, placeHere } from './archive-ledger.ts';
import { type ArchivePage, type ArchiveSource, archiveLimits, readArchivePage } from './archive-page.ts';
import type { ArchiveStore } from './archive-store.ts';
import { type ArchiveFilter, createEventMatcher } from './match-event.ts';

/** The parameter of `GET /audit`. */
export const archiveParameter = z
  .enum(['true', 'false'], 'must be true or false')
  .optional()
  .describe(
    '`true`: read the objects in the bucket instead of the database, for events that retention has removed. Needs `start_date` ' +
      'and `end_date`; not with `page`, `recorded_after`, `q`, places in values, or a `sort_by` other than `updated_at`. A page ends ' +
      'early where it has read enough; only a `next_cursor` of null is the end.',
  );

/** Member of every answer that was read from the archive. */
export const archiveRead = z
  .strictObject({
    objects_read: z.int(),
    bytes_read: z.int().describe('Of the objects as they are stored.'),
    waiting_batches: z
      .int()
      .describe('Batches of this part that are not in the archive yet. The database has their events.'),
  })
  .describe('What this part was read from.');

/** The value of `archiveRead`. */
export function printRead({ objects, bytes, skipped }: Pick<ArchivePage, 'objects' | 'bytes' | 'skipped'>) {
  return { objects_read: objects, bytes_read: bytes, waiting_batches: skipped };
}

export const archivePage = z
  .strictObject({
    audit_logs: z.array(auditEvent),
    page_size: z.int(),
    archive: archiveRead,
    record_begins_at: recordBeginsAt,
    next_cursor: nextCursor,
  })
  .meta({
    id: 'ArchivePage',
    description:
      'Events as they are in the objects, in the order of the archive: by UTC hour, then object by object, and by event time ' +
      'within each.',
  });

/** A query of `GET /audit?archive=true`. */
export interface ArchiveListQuery {
  readonly by: 'archive';
  readonly list: CursorList;
  readonly filter: ArchiveFilter;
  readonly after: ArchivePlace | null;
  readonly pageSize: number;
}

interface Given {
  readonly page?: number | undefined;
  readonly page_size: number;
  readonly cursor?: string | undefined;
  readonly recorded_after?: string | undefined;
  readonly sort_by?: CursorList['order']['by'] | undefined;
  readonly sort_order?: 'asc' | 'desc' | undefined;
}

/** Refuses what no object can answer in bounded time. */
export function readArchiveQuery(given: Given, filter: EventFilter): Checked<ArchiveListQuery> {
  const { occurredFrom, occurredTo, words, values = [], ...exact } = filter;
  if (occurredFrom === undefined) return invalid('start_date', 'is required together with archive');
  if (occurredTo === undefined) return invalid('end_date', 'is required together with archive');
  const combined = [
    ['page', given.page],
    ['recorded_after', given.recorded_after],
    ['q', words],
    [values[0]?.column ?? '', values[0]],
  ] as const;
  const other = combined.find(([, value]) => value !== undefined);
  if (other !== undefined) return invalid(other[0], 'cannot be combined with archive');
  if ((given.sort_by ?? 'updated_at') !== 'updated_at')
    return invalid('sort_by', 'must be updated_at together with archive');
  const list: CursorList = { filter, order: { by: 'updated_at', direction: given.sort_order ?? 'desc' } };
  const query = { by: 'archive', list, filter: { ...exact, occurredFrom, occurredTo } } as const;
  const pageSize = given.page_size;
  if (given.cursor === undefined || given.cursor === '')
    return { ok: true, value: { ...query, pageSize, after: null } };
  const place = readArchiveCursor(list, given.cursor);
  if ('message' in place) return invalid('cursor', place.message);
  return { ok: true, value: { ...query, pageSize, after: place.place } };
}

export interface ArchiveParts {
  readonly archive: ArchiveStore | null;
  readonly bytesInFlight: BytesInFlight;
  readonly sources: Pick<Sources, 'choose'>;
}

/** The part of the archive that a query names, and where the part after it begins. */
export async function readArchiveList(
  { list, filter, after, pageSize }: ArchiveListQuery,
  { archive, bytesInFlight, sources }: ArchiveParts,
  request: Request,
  response: Response,
): Promise<{ readonly page: ArchivePage; readonly reads: EventReads; readonly cursor: string | null }> {
  const { readLines, inTurn } = requireArchive(archive);
  const reads = await sources.choose(request, response);
  const { direction } = list.order;
  const { occurredFrom, occurredTo } = filter;
  const page = await inTurn(() =>
    readArchivePage(
      { match: createEventMatcher(filter), direction, after: after && placeHere(reads.listLedgers(), after), pageSize },
      {
        list: listRange(reads, { occurredFrom, occurredTo }, direction),
        readLines,
        limits: archiveLimits,
        signal: abortWith(response),
      },
    ),
  );
  bytesInFlight.hold(
    response,
    page.lines.reduce((sum, { line }) => sum + line.length, 0),
  );
  return { page, reads, cursor: page.next && printArchiveCursor(list, page.next) };
}

/** The batches of a range, for `readArchivePage`. */
export function listRange(
  reads: EventReads,
  range: Pick<ArchiveFilter, 'occurredFrom' | 'occurredTo'>,
  direction: 'asc' | 'desc',
): ArchiveSource['list'] {
  const ledgers = reads.listLedgers();
  return (at, limit) => listOverCells(ledgers, { ...range, direction, at, limit });
}

/** Aborts when the caller has gone. */
export function abortWith(response: Response): AbortSignal {
  const left = new AbortController();
  response.once('close', () => left.abort());
  return left.signal;
}

export function requireArchive(archive: ArchiveStore | null): ArchiveStore {
  if (archive !== null) return archive;
  throw new HttpProblem(501, 'This api does not read the archive: it has no S3_BUCKET.', {
    code: 'archive-not-configured',
  });
}
