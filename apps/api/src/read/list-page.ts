import type { Database } from '@auditbox/db/database/connect.ts';
import { isCountedByIndex } from '@auditbox/db/queries/counted-by-index.ts';
import type { EventFilter } from '@auditbox/db/queries/event-filter.ts';
import type { EventPosition } from '@auditbox/db/queries/event-order.ts';
import type { FeedEdge } from '@auditbox/db/queries/feed-edge.ts';
import { findEvents } from '@auditbox/db/queries/find-events.ts';
import type { FoundEvent } from '@auditbox/db/queries/page-bytes.ts';
import { findFeedStart, readFeed } from '@auditbox/db/queries/read-feed.ts';
import { sleep } from '@auditbox/process/sleep.ts';
import { HttpProblem } from '../http/problem.ts';
import type { PollEnd } from './await-poll-end.ts';
import { type CursorList, printCursor, printFeedCursor } from './cursor.ts';
import type { Reader } from './readers.ts';

type NumberedQuery = ListPart & { readonly by: 'page'; readonly page: number };
type CursorQuery = ListPart & { readonly by: 'cursor'; readonly after: EventPosition | null };
/** `after` is an outbox id. */
type RecordingQuery = ListPart & { readonly by: 'recording'; readonly after: bigint | null };
type ListPart = CursorList & { readonly pageSize: number };

/** A query of `GET /audit`: a page by its number, the events after a cursor, or the events recorded since a time. */
export type ListQuery = NumberedQuery | CursorQuery | RecordingQuery;

/** A part of a list. */
export interface ListPage {
  readonly events: readonly FoundEvent[];
  /** Where large events are read while the answer is sent. */
  readonly db: Database;
  /** The members of the answer that only this kind of query has, as JSON without braces. */
  readonly members: string;
  readonly cursor: string | null;
}

export interface ListSources {
  /** The highest number up to which events are counted. */
  readonly totalMax: number;
  readonly pollEnd: PollEnd;
  /** How far feeds may read now. */
  readonly feedEdge: () => Promise<FeedEdge>;
  /** Chooses the server that answers, for the caller of the request. */
  choose(needs: 'primary' | 'either'): Promise<Reader>;
}

/** Reads the part of the list that a query names. */
export async function readListPage(query: ListQuery, sources: ListSources): Promise<ListPage> {
  if (query.by === 'recording') return readRecorded(query, sources);
  const pollEnd = await sources.pollEnd(query.filter);
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
  const countUpTo = Math.min(totalMax, countingLimit(filter, offset + pageSize));
  const found = await findEvents(reader.poolFor(filter), { filter, order, after: null, ...part, countUpTo });
  const { count, isExact } = found.total ?? { count: 0, isExact: true };
  if (isTooDeep && !isExact) throw tooDeep(totalMax);
  const next = isTooDeep ? null : found.next;
  const pages = `"page":${page},"page_size":${pageSize},"total_pages":${Math.ceil(count / pageSize)}`;
  const members = `"total":${count},${pages},"total_is_exact":${isExact}`;
  return { events: found.events, db: reader.poolFor(filter), members, cursor: next && printCursor(query, next) };
}

/**
 * Up to which number matching events are counted for a page that ends at event `end`. Where counting reads every event, it
 * stops at the next full thousand: there is a page ahead, and `total_pages` is the same on the pages of a thousand events.
 * No index covers words and values. They may have to read the whole table to find a few more events, so then one event
 * more than the page shows must do.
 */
function countingLimit(filter: EventFilter, end: number): number {
  if (isCountedByIndex(filter)) return Number.POSITIVE_INFINITY;
  const isSearch = filter.words !== undefined || (filter.values ?? []).length > 0;
  return isSearch ? end + 1 : (Math.floor(end / countStep) + 1) * countStep;
}

const countStep = 1_000;

function tooDeep(totalMax: number): HttpProblem {
  const message = `begins after event ${totalMax}; continue with next_cursor, or begin with an empty cursor`;
  return new HttpProblem(400, 'The page is too deep.', { errors: [{ path: 'page', message }] });
}

async function readAfterCursor(query: CursorQuery, filter: EventFilter, reader: Reader): Promise<ListPage> {
  const { order, after, pageSize } = query;
  const part = { filter, order, after, offset: 0, limit: pageSize, countUpTo: null };
  const db = reader.poolFor(filter);
  const { events, next } = await findEvents(db, part);
  return { events, db, members: `"page_size":${pageSize}`, cursor: next && printCursor(query, next) };
}

/** A feed waits this long for the transactions that write now, so that a caller's own write is on the page. */
const feedWaitMs = 200;
const feedCheckMs = 20;

/** A page always has a cursor, also an empty one: a poller can begin before there is an event. */
async function readRecorded(query: RecordingQuery, sources: ListSources): Promise<ListPage> {
  const { filter, after, pageSize } = query;
  const db = (await sources.choose('primary')).poolFor();
  const edge = await awaitFeedEdge(sources.feedEdge);
  const begin = after ?? (await findFeedStart(db, filter.recordedAfter ?? ''));
  const { events, last } = await readFeed(db, { filter, after: begin, upTo: edge.safe, limit: pageSize });
  const members = `"page_size":${pageSize},"caught_up":${last >= edge.safe}`;
  return { events, db, members, cursor: printFeedCursor(query, last) };
}

/** The rows are read after it, as the argument of the edge needs. */
async function awaitFeedEdge(feedEdge: () => Promise<FeedEdge>): Promise<FeedEdge> {
  const startedAt = performance.now();
  const first = await feedEdge();
  for (let edge = first; ; edge = await feedEdge()) {
    if (edge.safe >= first.greatest || performance.now() - startedAt > feedWaitMs) return edge;
    await sleep(feedCheckMs, new AbortController().signal);
  }
}
