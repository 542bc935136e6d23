import { comparePositions } from '@auditbox/db/queries/compare-positions.ts';
import type { EventPosition } from '@auditbox/db/queries/event-order.ts';
import {
  type EventPage,
  type EventQuery,
  limitCount,
  type PositionedEvent,
  takeWhileSmall,
} from '@auditbox/db/queries/find-events.ts';
import { mergePages } from './merge-pages.ts';

/** `findEvents` in one cell. */
export type FindInCell = (query: EventQuery) => Promise<EventPage>;

/** Up to this offset each cell returns the events that are skipped. Deeper pages skip events in each cell by number. */
const directOffset = 500;

/**
 * `findEvents` over several cells: the same page and total as of one database with all their events. A position means the
 * same in each cell, so no state is kept between pages. `onFound` is called with each event of the page and its cell.
 */
export async function findInCells(
  cells: readonly FindInCell[],
  query: EventQuery,
  onFound: (event: PositionedEvent, cell: number) => void,
): Promise<EventPage> {
  const [page, total] = await Promise.all([findPage(cells, query, onFound), countInCells(cells, query)]);
  return { ...page, total };
}

async function countInCells(cells: readonly FindInCell[], query: EventQuery): Promise<EventPage['total']> {
  const { countUpTo } = query;
  if (countUpTo === null) return null;
  const pages = await Promise.all(cells.map((find) => find({ ...query, after: null, offset: 0, limit: 0 })));
  const count = pages.reduce((sum, { total }) => sum + (total?.count ?? 0), 0);
  const isExact = pages.every(({ total }) => total?.isExact === true);
  return isExact ? limitCount(count, countUpTo) : { count: countUpTo, isExact: false };
}

async function findPage(
  cells: readonly FindInCell[],
  query: EventQuery,
  onFound: (event: PositionedEvent, cell: number) => void,
): Promise<Omit<EventPage, 'total'>> {
  const { order, limit } = query;
  if (limit === 0) return { events: [], next: null, last: null };
  const places: (EventPosition | null)[] = cells.map(() => query.after);
  const gathered: PositionedEvent[] = [];
  let left = query.offset;
  for (;;) {
    if (left > directOffset) {
      const skipped = await skipSome(cells, query, places, left);
      if (skipped === 0) return { events: [], next: null, last: null };
      left -= skipped;
      continue;
    }
    const wanted = left + limit - gathered.length;
    const asked = { ...query, offset: 0, limit: wanted, countUpTo: null };
    const pages = await Promise.all(cells.map((find, cell) => find({ ...asked, after: places[cell] ?? null })));
    const known = pages.map(({ events, next }) => ({ events, hasMore: next !== null }));
    const merged = mergePages(known, order, wanted);
    for (const [cell, { events }] of pages.entries()) for (const event of events) onFound(event, cell);
    gathered.push(...merged.events.slice(left));
    const events = takeWhileSmall(gathered, limit);
    const last = events.at(-1)?.position ?? null;
    const isFull = events.length < gathered.length;
    if (isFull || events.length === limit || !merged.hasMore)
      return { events, next: isFull || merged.hasMore ? last : null, last };
    // A cell's page ended early, because its events are large, and more of this page may follow there.
    for (const [cell, { events }] of pages.entries()) {
      const passed = events[(merged.taken[cell] ?? 0) - 1];
      if (passed !== undefined) places[cell] = passed.position;
    }
    left = Math.max(0, left - merged.events.length);
  }
}

/**
 * Skips events of one cell that are surely among the next `left` ones, moves its place and returns their number; 0 if there
 * are not more than `left` events. Each cell is asked for its event number `step`. All events up to the first one of these
 * are among the next `step` of each cell, so they are `cells × step` at most.
 */
async function skipSome(
  cells: readonly FindInCell[],
  query: EventQuery,
  places: (EventPosition | null)[],
  left: number,
): Promise<number> {
  const step = Math.max(1, Math.floor(left / cells.length));
  const asked = { ...query, offset: step - 1, limit: 1, countUpTo: null };
  const pages = await Promise.all(cells.map((find, cell) => find({ ...asked, after: places[cell] ?? null })));
  const found = pages.flatMap(({ last }, cell) => (last === null ? [] : [{ position: last, cell }]));
  const [first] = found.sort((a, b) => comparePositions(query.order, a.position, b.position));
  if (first === undefined) return 0;
  places[first.cell] = first.position;
  return step;
}
