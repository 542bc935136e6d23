import type { EventOrder, EventPosition } from './event-order.ts';

/** The places of two events in an order, as Postgres compares them. Negative: `a` comes first. */
export function comparePositions(
  { direction }: Pick<EventOrder, 'direction'>,
  a: EventPosition,
  b: EventPosition,
): number {
  for (const [index, text] of a.entries()) {
    const difference = compareTexts(text, b[index] as string);
    if (difference !== 0) return direction === 'asc' ? difference : -difference;
  }
  return 0;
}

/** From here on UTF-16 has another order than UTF-8: halves of surrogate pairs stand before U+E000. */
const isOrderedDifferently = /[\ud800-\uffff]/;

/** By their bytes in UTF-8, as collation C does. */
export function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  if (isOrderedDifferently.test(a) || isOrderedDifferently.test(b))
    return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : 1;
}
