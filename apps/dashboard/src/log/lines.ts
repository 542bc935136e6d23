import type { AuditEvent } from '../events/event.ts';
import { dayKey } from '../time/format.ts';
import type { Zone } from '../time/zone.ts';

/*
 * The lines of the table: events, and the days that begin above them. A list may have 100,000 rows and gets a page or a new
 * event at any moment, so no line is made before it is drawn.
 */

/** A line of the table. */
type Line =
  | { readonly kind: 'day'; readonly at: string }
  | { readonly kind: 'event'; readonly event: AuditEvent; readonly row: number };

/** The row that is the first of each day, in order. Rows are sorted by time, so the end of a day is found by halving. */
export function findDays(rows: readonly AuditEvent[], zone: Zone): number[] {
  const days: number[] = [];
  for (let first = 0; first < rows.length; ) {
    days.push(first);
    const key = keyAt(rows, first, zone);
    let [low, high] = [first + 1, rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (keyAt(rows, middle, zone) === key) low = middle + 1;
      else high = middle;
    }
    first = low;
  }
  return days;
}

function keyAt(rows: readonly AuditEvent[], row: number, zone: Zone): string {
  return dayKey(rows[row]?.occurredAt ?? '', zone);
}

/** Each day adds a line above its first row. */
export function lineOfRow(days: readonly number[], row: number): number {
  let [low, high] = [0, days.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((days[middle] as number) <= row) low = middle + 1;
    else high = middle;
  }
  return row + low;
}

export function linesBetween(
  rows: readonly AuditEvent[],
  days: readonly number[],
  first: number,
  last: number,
): readonly Line[] {
  const lines: Line[] = [];
  // The row whose line is at or behind `first`, or the row below the day that is there.
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (lineOfRow(days, middle) < first) low = middle + 1;
    else high = middle;
  }
  const starts = new Set(days);
  for (let row = low; row < rows.length && lines.length < last - first; row += 1) {
    const event = rows[row] as AuditEvent;
    if (starts.has(row) && lineOfRow(days, row) - 1 >= first) lines.push({ kind: 'day', at: event.occurredAt });
    if (lines.length < last - first) lines.push({ kind: 'event', event, row });
  }
  return lines;
}
