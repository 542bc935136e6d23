/** A longer timer ends at once. */
export const longestTimerMs = 2 ** 31 - 1;

/** Resolves after `ms` milliseconds, or earlier when the signal aborts. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', wake);
      resolve();
    };
    const timer = setTimeout(wake, Math.min(ms, longestTimerMs));
    signal?.addEventListener('abort', wake);
    if (signal?.aborted) wake();
  });
}
