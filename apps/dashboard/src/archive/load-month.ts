import { CallError, callJson } from '../http/call.ts';
import type { Archive } from './archive.ts';
import { type Day, makeDays } from './days.ts';
import { monthEnds } from './month.ts';
import { addSpans, type Span } from './span.ts';

export interface Month {
  readonly archive: Archive;
  readonly days: readonly Day[];
  readonly sum: Span;
  /** Why the events of the database are not known. Then only events in batches are compared. */
  readonly uncounted: CallError | null;
}

/**
 * A month, such as `2026-07`. The events of the database are counted first: an event that is recorded later cannot look as if
 * the archive lacked it.
 */
export async function loadMonth(month: string, signal: AbortSignal): Promise<Month> {
  const recorded = await countRecorded(month, signal);
  const archive = await callJson<Archive>(`/archive?month=${month}`, { signal });
  const uncounted = recorded instanceof CallError ? recorded : null;
  const days = makeDays(month, archive, recorded instanceof CallError ? null : recorded, Date.now());
  return { archive, days, sum: addSpans(days.map(({ whole }) => whole)), uncounted };
}

/** Events by the hour in which they happened. */
async function countRecorded(month: string, signal: AbortSignal): Promise<ReadonlyMap<number, number> | CallError> {
  const { from, to } = monthEnds(month);
  const search = new URLSearchParams({
    interval: 'hour',
    start_date: new Date(from).toISOString(),
    // The end is a part of the range, so it is the last microsecond.
    end_date: new Date(to - 1).toISOString().replace('999Z', '999999Z'),
  });
  try {
    const { counts } = await callJson<{ counts: { start: string; count: number }[] }>(`/audit/stats?${search}`, {
      signal,
    });
    return new Map(counts.map(({ start, count }) => [Date.parse(start), count]));
  } catch (error) {
    // A key that may not read events, or too many of them to count. A lost connection is an error of the screen.
    if (error instanceof CallError && (error.status === 403 || error.status === 503)) return error;
    throw error;
  }
}
