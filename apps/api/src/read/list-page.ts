import { isCountedByIndex } from '@auditbox/db/queries/counted-by-index.ts';
import type { EventFilter } from '@auditbox/db/queries/event-filter.ts';
import type { EventPosition } from '@auditbox/db/queries/event-order.ts';
import type { FoundEvent } from '@auditbox/db/queries/page-bytes.ts';
import { HttpProblem } from '../http/problem.ts';
import { type CursorList, printCursor, printFeedCursor } from './cursor.ts';
import type { EventReads, Sources } from './event-reads.ts';
import type { FeedPlace } from './feed-place.ts';
import { isUnindexed } from './unindexed.ts';

type NumberedQuery = ListPart & { readonly by: 'page'; readonly page: number };
type CursorQuery = ListPart & { readonly by: 'cursor'; readonly after: EventPosition | null };
type RecordingQuery = ListPart & { readonly by: 'recording'; readonly after: FeedPlace | null };
type ListPart = CursorList & { readonly pageSize: number };

/** A query of `GET /audit`: a page by its number, the events after a cursor, or the events recorded since a time. */
export type ListQuery = NumberedQuery | CursorQuery | RecordingQuery;

/** A part of a list. */
export interface ListPage {
  readonly events: readonly FoundEvent[];
  /** Where large events are read while the answer is sent. */
  readonly reads: EventReads;
  /** The members of the answer that only this kind of query has, as JSON without braces. */
  readonly members: string;
  readonly cursor: string | null;
}

export interface ListSources extends Pick<Sources, 'pollEnd' | 'readFeed'> {
  /** The highest number up to which events are counted. */
  readonly totalMax: number;
  /** Chooses the server that answers, for the caller of the request. */
  choose(needs: 'primary' | 'either'): Promise<EventReads>;
}

/** Reads the part of the list that a query names. */
export async function readListPage(query: ListQuery, sources: ListSources): Promise<ListPage> {
  if (query.by === 'recording') return readRecorded(query, sources);
  const pollEnd = await sources.pollEnd(query.filter);
  // The primary found that the poll's end is complete; a replica may not have received it yet.
  const reads = await sources.choose(pollEnd === null ? 'either' : 'primary');
  const filter = { ...query.filter, ...(pollEnd !== null && { occurredTo: pollEnd }) };
  return query.by === 'page'
    ? readNumbered(query, filter, reads, sources.totalMax)
    : readAfterCursor(query, filter, reads);
}

async function readNumbered(
  query: NumberedQuery,
  filter: EventFilter,
  reads: EventReads,
  totalMax: number,
): Promise<ListPage> {
  const { order, page, pageSize } = query;
  const offset = (page - 1) * pageSize;
  const isTooDeep = offset >= totalMax;
  const part = isTooDeep ? { limit: 0, offset: 0 } : { limit: pageSize, offset };
  const countUpTo = Math.min(totalMax, countingLimit(filter, offset + pageSize));
  const found = await reads.findEvents({ filter, order, after: null, ...part, countUpTo });
  const { count, isExact } = found.total ?? { count: 0, isExact: true };
  if (isTooDeep && !isExact) throw tooDeep(totalMax);
  const next = isTooDeep ? null : found.next;
  const pages = `"page":${page},"page_size":${pageSize},"total_pages":${Math.ceil(count / pageSize)}`;
  const members = `"total":${count},${pages},"total_is_exact":${isExact}`;
  return { events: found.events, reads, members, cursor: next && printCursor(query, next) };
}

/**
 * Up to which number matching events are counted for a page that ends at event `end`. Where counting reads every event, it
 * stops at the next full thousand: there is a page ahead, and `total_pages` is the same on the pages of a thousand events.
 * A filter that no index serves may have to read the whole table to find a few more events, so then one event
 * more than the page shows must do.
 */
function countingLimit(filter: EventFilter, end: number): number {
  if (isCountedByIndex(filter)) return Number.POSITIVE_INFINITY;
  return isUnindexed(filter, false) ? end + 1 : (Math.floor(end / countStep) + 1) * countStep;
}

const countStep = 1_000;

function tooDeep(totalMax: number): HttpProblem {
  const message = `begins after event ${totalMax}; continue with next_cursor, or begin with an empty cursor`;
  return new HttpProblem(400, 'The page is too deep.', { errors: [{ path: 'page', message }] });
}

async function readAfterCursor(query: CursorQuery, filter: EventFilter, reads: EventReads): Promise<ListPage> {
  const { order, after, pageSize } = query;
  const part = { filter, order, after, offset: 0, limit: pageSize, countUpTo: null };
  const { events, next } = await reads.findEvents(part);
  return { events, reads, members: `"page_size":${pageSize}`, cursor: next && printCursor(query, next) };
}

/** A page always has a cursor, also an empty one: a poller can begin before there is an event. */
async function readRecorded(query: RecordingQuery, sources: ListSources): Promise<ListPage> {
  const { filter, after, pageSize } = query;
  const reads = await sources.choose('primary');
  const { events, place, isCaughtUp } = await sources.readFeed({ filter, after, pageSize });
  const members = `"page_size":${pageSize},"caught_up":${isCaughtUp}`;
  return { events, reads, members, cursor: printFeedCursor(query, place) };
}
