import { useCallback, useEffect, useState } from 'react';
import { CallError } from './call.ts';

/** What a part of a screen shows: nothing yet, an answer, or an error. An old answer stays until the next one. */
export interface Loaded<T> {
  readonly value: T | null;
  readonly error: CallError | null;
  readonly isLoading: boolean;
  reload(): void;
}

/**
 * Loads an answer again whenever `name` changes, and every `everyMs` while the tab is visible. A null name loads nothing. The
 * loader must depend on the name alone.
 */
export function useAnswer<T>(
  name: string | null,
  load: (signal: AbortSignal) => Promise<T>,
  everyMs: number | null = null,
): Loaded<T> {
  const [state, setState] = useState<{ name: string | null; value: T | null; error: CallError | null }>({
    name: null,
    value: null,
    error: null,
  });
  const [round, setRound] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `load` is a new function at each render; the name stands for it
  useEffect(() => {
    if (name === null) return;
    const leaving = new AbortController();
    let timer: ReturnType<typeof setInterval> | undefined;
    load(leaving.signal)
      .then(
        (value) => leaving.signal.aborted || setState({ name, value, error: null }),
        (error: unknown) => {
          if (leaving.signal.aborted) return;
          const shown = error instanceof CallError ? error : new CallError(-1, { detail: String(error) });
          setState((old) => ({ name, value: old.name === name ? old.value : null, error: shown }));
        },
      )
      .finally(() => {
        // After the answer, so that a slow api is not asked anew before it answered.
        if (everyMs !== null && !leaving.signal.aborted)
          timer = setInterval(() => document.hidden || setRound((n) => n + 1), everyMs);
      });
    return () => {
      leaving.abort();
      clearInterval(timer);
    };
  }, [name, round, everyMs]);
  const reload = useCallback(() => setRound((n) => n + 1), []);
  const isCurrent = state.name === name;
  return {
    value: state.value,
    error: isCurrent ? state.error : null,
    isLoading: name !== null && !isCurrent,
    reload,
  };
}
