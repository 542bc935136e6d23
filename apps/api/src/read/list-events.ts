import type { Checked } from '@auditbox/core/event/audit-event.ts';
import type { TenantScope } from '@auditbox/core/keys/tenant-scope.ts';
import { sumInline } from '@auditbox/db/queries/page-bytes.ts';
import type { Request } from 'express';
import { z } from 'zod';
import type { ArchivePage } from '../archive/archive-page.ts';
import {
  type ArchiveListQuery,
  archivePage,
  archiveParameter,
  printRead,
  readArchiveList,
  readArchiveQuery,
} from '../archive/list-archive.ts';
import { getCaller } from '../http/caller.ts';
import { createJsonAnswer, type JsonAnswer } from '../http/json-answer.ts';
import { listActions, type Route } from '../http/route.ts';
import { type CursorList, readCursor, readFeedCursor } from './cursor.ts';
import { auditEvent, nextCursor, recordBeginsAt } from './event-answer.ts';
import { type ListQuery, readListPage } from './list-page.ts';
import { filterParameters, orderParameters, partParameters, toFilter } from './parameters.ts';
import { getSearch, invalid, readQuery, requireValid, valueParameters } from './read-query.ts';
import { preferHeader, readerHeaders } from './readers.ts';

function listParameters(actions: readonly string[]) {
  return z.strictObject({
    ...filterParameters(actions),
    ...orderParameters,
    ...partParameters,
    archive: archiveParameter,
  });
}

const audit_logs = z.array(auditEvent);
const page_size = z.int();

const numberedPage = z
  .strictObject({
    audit_logs,
    total: z
      .int()
      .describe(
        'How many events match, counted up to AUDIT_TOTAL_MAX; with several filters up to the next full thousand.',
      ),
    page: z.int(),
    page_size,
    total_pages: z.int(),
    total_is_exact: z.boolean().describe('False when more events match than were counted.'),
    record_begins_at: recordBeginsAt,
    next_cursor: nextCursor,
  })
  .meta({ id: 'NumberedPage', description: 'A page by its number.' });

const cursorPage = z
  .strictObject({ audit_logs, page_size, record_begins_at: recordBeginsAt, next_cursor: nextCursor })
  .meta({ id: 'CursorPage', description: 'The events after a cursor.' });

const recordedPage = z
  .strictObject({
    audit_logs,
    page_size,
    caught_up: z.boolean().describe('False: more events may follow now. True: ask again later.'),
    record_begins_at: recordBeginsAt,
    next_cursor: z.string().describe('The cursor of the next part, now or later, with the same `recorded_after`.'),
  })
  .meta({ id: 'RecordedPage', description: 'The events recorded after `recorded_after`, in the order of recording.' });

const eventList = z.union([numberedPage, cursorPage, recordedPage, archivePage]).meta({ id: 'EventList' });

/** `GET /audit`: a part of the matching events, and the cursor of the next part. */
export const listEvents: Route = {
  method: 'get',
  path: '/audit',
  access: 'audit:read',
  problems: [],
  operation: ({ actions }) => ({
    operationId: 'listEvents',
    summary: 'List events',
    description:
      'By `page`; or after a `cursor`, at any depth; or with `recorded_after`, for pollers: every event recorded since, exactly ' +
      'once, also of transactions that committed late. A poller passes the same `recorded_after` and the last `next_cursor` on ' +
      'each call. A page with few matches may be short or empty before the end. With `archive=true` from the objects in the bucket.',
    requestParams: { query: listParameters(listActions(actions)) },
    parameters: [valueParameters, preferHeader],
    responses: {
      200: {
        description: 'A part of the matching events.',
        headers: {
          Link: {
            description: 'The next part: `<URL>; rel="next"`. Missing when there is no next part.',
            schema: { type: 'string' },
          },
          ...readerHeaders,
        },
        content: { 'application/json': { schema: eventList } },
      },
    },
  }),
  createHandler: ({ settings, sources, archive, bytesInFlight }) => {
    const parameters = listParameters(settings.actions);
    const linkTo = (request: Request, cursor: string | null) =>
      cursor === null ? {} : { link: `<${settings.pathPrefix}${nextUrl(request, cursor)}>; rel="next"` };
    return async (request, response) => {
      const query = requireValid(readListQuery(parameters, getSearch(request), getCaller(response).tenant));
      if (query.by === 'archive') {
        const found = await readArchiveList(query, { archive, bytesInFlight, sources }, request, response);
        const begin = await found.reads.getRecordBegin();
        const answer = createJsonAnswer(response, bytesInFlight, linkTo(request, found.cursor));
        return sendArchivePage(answer, query.pageSize, { ...found, begin });
      }
      const { events, reads, members, cursor } = await readListPage(query, {
        totalMax: settings.totalMax,
        pollEnd: sources.pollEnd,
        readFeed: sources.readFeed,
        choose: (needs) => sources.choose(request, response, needs),
      });
      const answer = createJsonAnswer(response, bytesInFlight, linkTo(request, cursor));
      // Before anything is waited for: a hundred lists that wait would have a megabyte each.
      answer.reserve(sumInline(events));
      const begin = JSON.stringify(await reads.getRecordBegin());
      // Built by hand: the events are JSON already, and parsing them would lose digits.
      let before = '{"audit_logs":[';
      for await (const part of reads.readPageEvents(events)) {
        const texts = part.flatMap(({ json }, index) => [index === 0 ? before : ',', json]);
        if (!(await answer.add(...texts))) return;
        before = ',';
      }
      const start = events.length === 0 ? before : '';
      await answer.end(`${start}],${members},"record_begins_at":${begin},"next_cursor":${JSON.stringify(cursor)}}`);
    };
  },
};

/** The lines of objects are sent as they are. */
async function sendArchivePage(
  answer: JsonAnswer,
  pageSize: number,
  {
    page,
    begin,
    cursor,
  }: { readonly page: ArchivePage; readonly begin: string | null; readonly cursor: string | null },
): Promise<void> {
  let before = '{"audit_logs":[';
  for (const { line } of page.lines) {
    if (!(await answer.add(before, line))) return;
    before = ',';
  }
  const members = {
    page_size: pageSize,
    archive: printRead(page),
    record_begins_at: begin,
    next_cursor: cursor,
  };
  await answer.end(`${page.lines.length === 0 ? before : ''}],${JSON.stringify(members).slice(1)}`);
}

function nextUrl(request: Request, cursor: string): string {
  const search = getSearch(request);
  search.delete('page');
  search.set('cursor', cursor);
  return `${request.path}?${search}`;
}

function readListQuery(
  parameters: ReturnType<typeof listParameters>,
  search: URLSearchParams,
  tenant: TenantScope,
): Checked<ListQuery | ArchiveListQuery> {
  const query = readQuery(parameters, search);
  if (!query.ok) return query;
  const { named, values } = query.value;
  if (named.archive === 'true') return readArchiveQuery(named, toFilter(named, values, tenant));
  const { page, page_size: pageSize, cursor, recorded_after: recordedAfter, sort_by, sort_order } = named;
  const isFeed = recordedAfter !== undefined;
  if (isFeed && (sort_by ?? 'recorded_at') !== 'recorded_at')
    return invalid('sort_by', 'must be recorded_at together with recorded_after');
  if (isFeed && (sort_order ?? 'asc') !== 'asc')
    return invalid('sort_order', 'must be asc together with recorded_after');
  const list: CursorList = {
    filter: { ...toFilter(named, values, tenant), ...(isFeed && { recordedAfter }) },
    order: isFeed
      ? { by: 'recorded_at', direction: 'asc' }
      : { by: sort_by ?? 'updated_at', direction: sort_order ?? 'desc' },
  };
  if (cursor === undefined && !isFeed) return { ok: true, value: { ...list, pageSize, by: 'page', page: page ?? 1 } };
  if (page !== undefined) return invalid('page', 'cannot be combined with cursor or recorded_after');
  if (isFeed) {
    if (cursor === undefined || cursor === '')
      return { ok: true, value: { ...list, pageSize, by: 'recording', after: null } };
    const place = readFeedCursor(list, cursor);
    if ('message' in place) return invalid('cursor', place.message);
    return { ok: true, value: { ...list, pageSize, by: 'recording', after: place.after } };
  }
  const by = 'cursor';
  if (cursor === undefined || cursor === '') return { ok: true, value: { ...list, pageSize, by, after: null } };
  const place = readCursor(list, cursor);
  if ('message' in place) return invalid('cursor', place.message);
  return { ok: true, value: { ...list, pageSize, by, after: place.position } };
}
