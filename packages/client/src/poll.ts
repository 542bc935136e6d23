import { isTransient } from './api-problem.ts';
import { chooseWait, longestAskedMs } from './retry.ts';
import { sleep } from './sleep.ts';
import type { AuditEvent, CallOptions, EventList, ListQuery } from './wire.ts';

/** Filters of a poll. With a `cursor` from an earlier poll, use the same `recorded_after` as in that poll. */
export type PollQuery = Omit<ListQuery, 'page' | 'sort_by' | 'sort_order'> & { readonly recorded_after: string };

/** Where a poll keeps its place, so that it continues there after a restart. `cursorFile` makes one. */
export interface CursorStore {
  /** The cursor that was saved last; null at the first start. */
  load(): Promise<string | null>;
  /** The poll yields no further events before this resolves. */
  save(cursor: string): Promise<void>;
}

export interface PollOptions {
  /** Ends the polling and aborts a running request. */
  readonly signal: AbortSignal;
  /** Pause when there are no more events. Default: 1,000 ms. */
  readonly intervalMs?: number;
  /** Called for each transient error before the poll retries: the api was not reached or failed. */
  readonly onError?: (error: unknown) => unknown;
  /**
   * The poll begins at its cursor, and saves the cursor of a part when the next part is requested. So an event whose processing
   * did not end is yielded again after a restart. A `cursor` in the query wins.
   */
  readonly cursorStore?: CursorStore;
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
  { signal, intervalMs = 1_000, onError, cursorStore }: PollOptions,
): AsyncGenerator<RecordedPart, void> {
  let cursor = begin ?? (await cursorStore?.load()) ?? '';
  let failures = 0;
  while (!signal.aborted) {
    const part = await listOrError(() => list({ ...query, page_size, cursor }, { signal, retryForMs: 0 }));
    if ('error' in part) {
      if (signal.aborted) return;
      if (!isTransient(part.error)) throw part.error;
      await onError?.(part.error);
      await sleep(chooseWait(failures, part.error, { longestAskedMs }), signal);
      failures += 1;
      continue;
    }
    failures = 0;
    cursor = part.next_cursor ?? cursor;
    if (part.audit_logs.length > 0) yield { events: part.audit_logs, cursor };
    // A page of a narrow filter may be short although more follow.
    const isCaughtUp = !('caught_up' in part) || part.caught_up;
    // Without events there is progress to save only while the poll goes through old events.
    if (part.audit_logs.length > 0 || !isCaughtUp) await cursorStore?.save(cursor);
    if (isCaughtUp) await sleep(intervalMs, signal);
  }
}

async function listOrError(list: () => Promise<EventList>): Promise<EventList | { readonly error: unknown }> {
  try {
    return await list();
  } catch (error) {
    return { error };
  }
}
