import { useEffect, useState } from 'react';
import { CallError } from '../http/call.ts';
import { type HistoryStep, loadHistory } from './load-history.ts';

/** Longest history that is read by itself; the rest is read on request. */
const readAtOnce = 1_000;

export interface HistoryState {
  /** Newest first. */
  readonly steps: readonly HistoryStep[];
  readonly isComplete: boolean;
  readonly isLoading: boolean;
  readonly error: CallError | null;
  loadMore(): void;
}

/** The history of an object. The api answers oldest first, so all of it is read before the newest can be shown at the top. */
export function useHistory(table: string, object: string): HistoryState {
  const [steps, setSteps] = useState<readonly HistoryStep[]>([]);
  const [next, setNext] = useState<string | null | undefined>(undefined);
  const [limit, setLimit] = useState(readAtOnce);
  const [error, setError] = useState<CallError | null>(null);
  const isComplete = next === null;
  const wantsMore = !isComplete && error === null && (next === undefined || steps.length < limit);
  useEffect(() => {
    if (!wantsMore) return;
    const leaving = new AbortController();
    loadHistory(table, object, next ?? null, leaving.signal).then(
      (part) => {
        if (leaving.signal.aborted) return;
        setSteps((old) => [...[...part.steps].reverse(), ...old]);
        setNext(part.next);
      },
      (failure: unknown) => {
        if (!leaving.signal.aborted)
          setError(failure instanceof CallError ? failure : new CallError(-1, { detail: String(failure) }));
      },
    );
    return () => leaving.abort();
  }, [table, object, next, wantsMore]);
  const loadMore = () => {
    setError(null);
    setLimit((old) => old + readAtOnce);
  };
  return { steps, isComplete, isLoading: wantsMore, error, loadMore };
}
