import { isPassing } from './answer-of.ts';
import { sleep } from './sleep.ts';
import type { AuditEvent, CallOptions, EventList, ListQuery } from './wire.ts';

/** What to wait for. `recorded_after` stays the same as long as a cursor is used; `cursor` goes on where one was handed out. */
export type PollQuery = Omit<ListQuery, 'page' | 'sort_by' | 'sort_order'> & { readonly recorded_after: string };

export interface PollOptions {
  /** Ends the polling; a request under way is given up. */
  readonly signal: AbortSignal;
  /** How long to wait once all was seen. */
  readonly intervalMs?: number;
  /** Told of each fault that is waited out: the api was not reached, or could not answer. */
  readonly onFault?: (fault: unknown) => void;
}

/** Events in the order of recording, and the place behind them. */
export interface RecordedPart {
  readonly events: readonly AuditEvent[];
  /** Store it once the events are dealt with: a poll with it and the same query begins behind them. */
  readonly cursor: string;
}

/**
 * For ever: what was recorded after `recorded_after`, also by transactions that committed late, each event once. Waits out
 * faults that pass; throws ApiProblem when the api refuses.
 */
export async function* poll(
  list: (query: ListQuery, options: CallOptions) => Promise<EventList>,
  { page_size = 100, cursor: begin, ...query }: PollQuery,
  { signal, intervalMs = 1_000, onFault }: PollOptions,
): AsyncGenerator<RecordedPart, void> {
  let cursor = begin ?? '';
  const next = async (): Promise<EventList | null> => {
    try {
      return await list({ ...query, page_size, cursor }, { signal });
    } catch (error) {
      if (!signal.aborted && !isPassing(error)) throw error;
      if (!signal.aborted) onFault?.(error);
      return null;
    }
  };
  while (!signal.aborted) {
    const part = await next();
    const events = part?.audit_logs ?? [];
    cursor = part?.next_cursor ?? cursor;
    if (events.length > 0) yield { events, cursor };
    if (events.length < page_size) await sleep(intervalMs, signal);
  }
}
