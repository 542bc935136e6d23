import type { Checked } from '@auditbox/core/event/audit-event.ts';
import type { EventPage, EventQuery } from '@auditbox/db/queries/find-events.ts';
import type { Request, RequestHandler } from 'express';
import { HttpProblem } from '../../http/problem.ts';
import { sendJson } from '../../http/send-json.ts';
import type { Reader } from '../choose-reader.ts';
import { printCursor } from '../cursor.ts';
import { settle } from '../settle.ts';
import type { ListQuery } from './list-query.ts';

export interface ListEventsDependencies {
  readonly readListQuery: (search: URLSearchParams) => Checked<ListQuery>;
  readonly find: (query: EventQuery, reader: Reader) => Promise<EventPage>;
  /** The recorded time before which nothing can appear any more; asked of the primary. */
  readonly recordedEdge: (marginMs: number) => Promise<string>;
  readonly readFrom: (request: Request) => Reader;
  /** Events are counted up to this. */
  readonly totalMax: number;
}

/** `GET /audit`: a part of the matching events, and how to go on. */
export function listEvents(dependencies: ListEventsDependencies): RequestHandler {
  const { readListQuery } = dependencies;
  return async (request, response) => {
    const query = readListQuery(searchOf(request));
    if (!query.ok) throw new HttpProblem(400, 'Some parameters are wrong.', { errors: query.problems });
    const { events, rest, cursor } = await ask(dependencies, query.value, request);
    const link = cursor === null ? {} : { link: `<${nextUrl(request, cursor)}>; rel="next"` };
    // By hand: the events are JSON already, and parsing them would cost digits.
    const json = `{"audit_logs":[${events.join()}],${rest},"next_cursor":${JSON.stringify(cursor)}}`;
    sendJson(response, 200, json, link);
  };
}

/** A feed is in no hurry. */
const edgeMarginMs = 1_000;

/** The query as it came; Express's own parser would make objects of it. */
export function searchOf(request: Request): URLSearchParams {
  return new URLSearchParams(request.originalUrl.split('?').slice(1).join('?'));
}

interface Listed {
  readonly events: readonly string[];
  /** Members of the answer that are of this way of asking. */
  readonly rest: string;
  readonly cursor: string | null;
}

async function ask(dependencies: ListEventsDependencies, query: ListQuery, request: Request): Promise<Listed> {
  const { find, recordedEdge, readFrom, totalMax } = dependencies;
  const { order, pageSize } = query;
  const settled = query.by === 'recording' ? null : await settle(query.filter, { recordedEdge, now: Date.now });
  const filter = { ...query.filter, ...settled };
  const reader = settled === null ? readFrom(request) : 'primary';
  const asked = { filter, order, limit: pageSize, after: null, offset: 0, countUpTo: null };
  if (query.by === 'page') {
    const offset = (query.page - 1) * pageSize;
    const isTooDeep = offset >= totalMax;
    const part = isTooDeep ? { limit: 0, offset: 0 } : { limit: pageSize, offset };
    // To count what no index leads to is to read all of it: then one more than the page shows must do.
    const isCountable = filter.words === undefined && (filter.values ?? []).length === 0;
    const countUpTo = isCountable ? totalMax : Math.min(totalMax, offset + pageSize + 1);
    const page = await find({ ...asked, ...part, countUpTo }, reader);
    const { count, isExact } = page.total ?? { count: 0, isExact: true };
    if (isTooDeep && !isExact) throw tooDeep(totalMax);
    const { events } = page;
    const next = isTooDeep ? null : page.next;
    const pages = `"page":${query.page},"page_size":${pageSize},"total_pages":${Math.ceil(count / pageSize)}`;
    const rest = `"total":${count},${pages},"total_is_exact":${isExact}`;
    return { events, rest, cursor: next && printCursor(query, next) };
  }
  if (query.by === 'cursor') {
    const { events, next } = await find({ ...asked, after: query.after }, reader);
    return { events, rest: `"page_size":${pageSize}`, cursor: next && printCursor(query, next) };
  }
  // Of the primary: a replica does not know what runs there. In this order: what ends in between is seen.
  const edge = await recordedEdge(edgeMarginMs);
  const { events, last } = await find(
    { ...asked, filter: { ...filter, recordedBefore: edge }, after: query.after },
    'primary',
  );
  const place = last ?? query.after;
  const rest = `"page_size":${pageSize},"recorded_until":"${edge}"`;
  return { events, rest, cursor: place && printCursor(query, place) };
}

function tooDeep(totalMax: number): HttpProblem {
  const message = `begins behind event ${totalMax}; go on with next_cursor, or begin with an empty cursor`;
  return new HttpProblem(400, 'The page is too deep.', { errors: [{ path: 'page', message }] });
}

function nextUrl(request: Request, cursor: string): string {
  const search = searchOf(request);
  search.delete('page');
  search.set('cursor', cursor);
  return `${request.path}?${search}`;
}
