import { ApiProblem, isTransient } from './api-problem.ts';
import { sleep } from './sleep.ts';

const firstWaitMs = 100;
const longestWaitMs = 5_000;
/** A loop without end does not wait for a day because a page of maintenance says so. */
export const longestAskedMs = 600_000;

/**
 * Sends until it succeeds or `forMs` are over. Only for requests that may be repeated: the api may have processed one whose
 * response was lost.
 */
export async function retry<T>(send: () => Promise<T>, forMs: number, signal?: AbortSignal): Promise<T> {
  const giveUpAt = performance.now() + forMs;
  for (let failures = 0; ; failures += 1) {
    try {
      return await send();
    } catch (error) {
      if (signal?.aborted || !isTransient(error)) throw error;
      const waitMs = chooseWait(failures, error);
      if (performance.now() + waitMs >= giveUpAt) throw error;
      await sleep(waitMs, signal);
      signal?.throwIfAborted();
    }
  }
}

/**
 * Anything from no wait to a limit that doubles with each failure, so that the clients of an api that was restarted do not
 * come back at the same moment. After at least the `Retry-After` of the response.
 */
export function chooseWait(
  failures: number,
  error: unknown,
  { longestMs = longestWaitMs, longestAskedMs = Number.POSITIVE_INFINITY } = {},
): number {
  const askedMs = Math.min(longestAskedMs, error instanceof ApiProblem ? (error.retryAfterMs ?? 0) : 0);
  return askedMs + Math.random() * Math.min(longestMs, firstWaitMs * 2 ** Math.min(failures, 20));
}
