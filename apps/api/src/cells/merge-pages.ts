import { comparePositions } from '@auditbox/db/queries/compare-positions.ts';
import type { EventOrder, EventPosition } from '@auditbox/db/queries/event-order.ts';

/** The next events of one cell, in the order of the list. */
export interface CellPage<T> {
  readonly events: readonly T[];
  /** Whether more follow in this cell. */
  readonly hasMore: boolean;
}

export interface MergedPage<T> {
  readonly events: readonly T[];
  /** How many events of each cell are among them. */
  readonly taken: readonly number[];
  /** Whether more follow in any cell. */
  readonly hasMore: boolean;
}

/**
 * The first `most` events of several cells in the order of the list. It ends early where the next event is not known, because
 * a cell's page has ended and more follow there.
 */
export function mergePages<T extends { readonly position: EventPosition }>(
  pages: readonly CellPage<T>[],
  order: Pick<EventOrder, 'direction'>,
  most: number,
): MergedPage<T> {
  const events: T[] = [];
  const taken = pages.map(() => 0);
  const isUnknown = () => pages.some(({ events: of, hasMore }, cell) => hasMore && taken[cell] === of.length);
  while (events.length < most && !isUnknown()) {
    let first: { readonly event: T; readonly cell: number } | null = null;
    for (const [cell, page] of pages.entries()) {
      const event = page.events[taken[cell] as number];
      if (event === undefined) continue;
      if (first === null || comparePositions(order, event.position, first.event.position) < 0) first = { event, cell };
    }
    if (first === null) break;
    events.push(first.event);
    taken[first.cell] = (taken[first.cell] as number) + 1;
  }
  const hasMore = pages.some(({ events: of, hasMore: more }, cell) => more || (taken[cell] as number) < of.length);
  return { events, taken, hasMore };
}
