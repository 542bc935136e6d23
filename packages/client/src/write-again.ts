import { isPassing } from './answer-of.ts';
import { ApiProblem } from './api-problem.ts';
import { sleep } from './sleep.ts';

const attempts = 4;
const firstWaitMs = 250;

/**
 * Writes, and writes again when the answer is lost or the api cannot serve it now. Only for events that have ids: what
 * was stored the first time is then found the second time.
 */
export async function writeAgain<T>(write: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await write();
    } catch (error) {
      if (signal?.aborted || attempt === attempts || !isPassing(error)) throw error;
      const asked = error instanceof ApiProblem ? error.retryAfterMs : null;
      await sleep(asked ?? firstWaitMs * 2 ** attempt * Math.random(), signal);
    }
  }
}
