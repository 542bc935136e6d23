import type { AuditEvent } from '../events/event.ts';

/**
 * By event time, newest first: an event that was recorded late goes where it happened. A page of older events or some new ones
 * do not make all rows be sorted.
 */
export function mergeRows(rows: readonly AuditEvent[], fresh: readonly AuditEvent[]): readonly AuditEvent[] {
  if (fresh.length === 0) return rows;
  const sorted = [...fresh].sort(byTime);
  const [newest, oldest] = [sorted[0], sorted.at(-1)] as [AuditEvent, AuditEvent];
  const [top, bottom] = [rows[0], rows.at(-1)];
  if (bottom === undefined || byTime(newest, bottom) > 0) return rows.concat(sorted);
  if (top === undefined || byTime(oldest, top) < 0) return sorted.concat(rows);
  const merged = [...rows];
  for (const event of sorted) merged.splice(findPlace(merged, event), 0, event);
  return merged;
}

/** Where an event belongs among sorted rows. */
function findPlace(rows: readonly AuditEvent[], event: AuditEvent): number {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (byTime(rows[middle] as AuditEvent, event) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Newest first; of the same time, the greater id first. */
export function byTime(one: AuditEvent, other: AuditEvent): number {
  const [a, b] = [sortKey(one.occurredAt), sortKey(other.occurredAt)];
  if (a !== b) return a < b ? 1 : -1;
  if (one.id === other.id) return 0;
  return one.id < other.id ? 1 : -1;
}

/** The fraction has as many digits as were sent. */
function sortKey(time: string): string {
  return time.slice(0, -1).padEnd(19, '0').padEnd(20, '.').padEnd(26, '0');
}
