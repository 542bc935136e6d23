import type { EventFilter } from '@auditbox/db/queries/event-filter.ts';
import type { EventPosition } from '@auditbox/db/queries/event-order.ts';
import { findEvents } from '@auditbox/db/queries/find-events.ts';
import { recordedEdge } from '@auditbox/db/queries/recorded-edge.ts';
import { HttpProblem } from '../http/problem.ts';
import { awaitPollEnd } from './await-poll-end.ts';
import { type CursorList, printCursor } from './cursor.ts';
import type { Reader } from './readers.ts';

type NumberedQuery = ListPart & { readonly by: 'page'; readonly page: number };
type CursorQuery = ListPart & { readonly by: 'cursor'; readonly after: EventPosition | null };
type RecordingQuery = ListPart & { readonly by: 'recording'; readonly after: EventPosition | null };
type ListPart = CursorList & { readonly pageSize: number };

/** A query of `GET /audit`: a page by its number, the events after a cursor, or the events recorded since a time. */
export type ListQuery = NumberedQuery | CursorQuery | RecordingQuery;

/** A part of a list. */
export interface ListPage {
  readonly events: readonly string[];
  /** The members of the answer that only this kind of query has, as JSON without braces. */
  readonly members: string;
  readonly cursor: string | null;
}

export interface ListSources {
  /** The highest number up to which events are counted. */
  readonly totalMax: number;
  readonly primary: Reader;
  /** Chooses the server that answers, for the caller of the request. */
  choose(needs: 'primary' | 'either'): Promise<Reader>;
}

/** Reads the part of the list that a query names. */
export async function readListPage(query: ListQuery, sources: ListSources): Promise<ListPage> {
  if (query.by === 'recording') return readRecorded(query, sources);
  const pollEnd = await awaitPollEnd(query.filter, sources.primary.poolFor());
  // The primary found that the poll's end is complete; a replica may not have received it yet.
  const reader = await sources.choose(pollEnd === null ? 'either' : 'primary');
  const filter = { ...query.filter, ...(pollEnd !== null && { occurredTo: pollEnd }) };
  return query.by === 'page'
    ? readNumbered(query, filter, reader, sources.totalMax)
    : readAfterCursor(query, filter, reader);
}

async function readNumbered(
  query: NumberedQuery,
  filter: EventFilter,
  reader: Reader,
  totalMax: number,
): Promise<ListPage> {
  const { order, page, pageSize } = query;
  const offset = (page - 1) * pageSize;
  const isTooDeep = offset >= totalMax;
  const part = isTooDeep ? { limit: 0, offset: 0 } : { limit: pageSize, offset };
  // No index covers words and values, so counting would read all matches. Then it counts one event more than the page shows.
  const isCountable = filter.words === undefined && (filter.values ?? []).length === 0;
  const countUpTo = isCountable ? totalMax : Math.min(totalMax, offset + pageSize + 1);
  const found = await findEvents(reader.poolFor(filter), { filter, order, after: null, ...part, countUpTo });
  const { count, isExact } = found.total ?? { count: 0, isExact: true };
  if (isTooDeep && !isExact) throw tooDeep(totalMax);
  const next = isTooDeep ? null : found.next;
  const pages = `"page":${page},"page_size":${pageSize},"total_pages":${Math.ceil(count / pageSize)}`;
  const members = `"total":${count},${pages},"total_is_exact":${isExact}`;
  return { events: found.events, members, cursor: next && printCursor(query, next) };
}

function tooDeep(totalMax: number): HttpProblem {
  const message = `begins after event ${totalMax}; continue with next_cursor, or begin with an empty cursor`;
  return new HttpProblem(400, 'The page is too deep.', { errors: [{ path: 'page', message }] });
}

async function readAfterCursor(query: CursorQuery, filter: EventFilter, reader: Reader): Promise<ListPage> {
  const { order, after, pageSize } = query;
  const part = { filter, order, after, offset: 0, limit: pageSize, countUpTo: null };
  const { events, next } = await findEvents(reader.poolFor(filter), part);
  return { events, members: `"page_size":${pageSize}`, cursor: next && printCursor(query, next) };
}

/** Transactions that run longer than this hold the feed back, so that it misses none of their events. */
const edgeMarginMs = 1_000;

/**
 * Only the primary knows which transactions run. It reads the edge first and the events after it: an event of a transaction
 * that ends in between is found.
 */
async function readRecorded(query: RecordingQuery, sources: ListSources): Promise<ListPage> {
  const { order, after, pageSize } = query;
  const reader = await sources.choose('primary');
  const edge = await recordedEdge(reader.poolFor(), edgeMarginMs);
  const filter = { ...query.filter, recordedBefore: edge };
  const part = { filter, order, after, offset: 0, limit: pageSize, countUpTo: null };
  const { events, last } = await findEvents(reader.poolFor(filter), part);
  const place = last ?? after;
  const members = `"page_size":${pageSize},"recorded_until":"${edge}"`;
  return { events, members, cursor: place && printCursor(query, place) };
}
