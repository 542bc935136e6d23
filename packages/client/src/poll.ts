import { isTransient } from './api-problem.ts';
import { sleep } from './sleep.ts';
import type { AuditEvent, CallOptions, EventList, ListQuery } from './wire.ts';

/** Filters of a poll. With a `cursor` from an earlier poll, use the same `recorded_after` as in that poll. */
export type PollQuery = Omit<ListQuery, 'page' | 'sort_by' | 'sort_order'> & { readonly recorded_after: string };

export interface PollOptions {
  /** Ends the polling and aborts a running request. */
  readonly signal: AbortSignal;
  /** Pause when there are no more events. Default: 1,000 ms. */
  readonly intervalMs?: number;
  /** Called for each transient error before the poll retries: the api was not reached or failed. */
  readonly onError?: (error: unknown) => void;
}

/** Events in the order of recording, and the cursor after them. */
export interface RecordedPart {
  readonly events: readonly AuditEvent[];
  /** Store it after processing the events. A poll with this cursor and the same query starts after them. */
  readonly cursor: string;
}

/**
 * Yields all events recorded after `recorded_after`, each once, including events of transactions that committed late. Runs
 * until aborted. Retries transient errors. Throws ApiProblem when the api rejects the request.
 */
export async function* poll(
  list: (query: ListQuery, options: CallOptions) => Promise<EventList>,
  { page_size = 100, cursor: begin, ...query }: PollQuery,
  { signal, intervalMs = 1_000, onError }: PollOptions,
): AsyncGenerator<RecordedPart, void> {
  let cursor = begin ?? '';
  const next = async (): Promise<EventList | null> => {
    try {
      return await list({ ...query, page_size, cursor }, { signal });
    } catch (error) {
      if (!signal.aborted && !isTransient(error)) throw error;
      if (!signal.aborted) onError?.(error);
      return null;
    }
  };
  while (!signal.aborted) {
    const part = await next();
    const events = part?.audit_logs ?? [];
    cursor = part?.next_cursor ?? cursor;
    if (events.length > 0) yield { events, cursor };
    // A page of a narrow filter may be short although more follow.
    const isCaughtUp = part === null || !('caught_up' in part) || part.caught_up;
    if (isCaughtUp) await sleep(intervalMs, signal);
  }
}
