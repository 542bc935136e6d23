import { ApiProblem, isTransient } from './api-problem.ts';
import { sleep } from './sleep.ts';

const attempts = 4;
const firstWaitMs = 250;

/**
 * Writes, and retries when the response is lost or the api is not available. Only for events with ids: the api recognises an
 * id that the first attempt stored.
 */
export async function retryWrite<T>(write: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await write();
    } catch (error) {
      if (signal?.aborted || attempt === attempts || !isTransient(error)) throw error;
      const retryAfterMs = error instanceof ApiProblem ? error.retryAfterMs : null;
      await sleep(retryAfterMs ?? firstWaitMs * 2 ** attempt * Math.random(), signal);
    }
  }
}
