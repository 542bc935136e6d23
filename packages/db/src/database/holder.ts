import { AsyncLocalStorage } from 'node:async_hooks';

/*
 * For whom work is done. What all callers share, such as connections and turns of the event loop, is given out in shares,
 * and a share belongs to a holder: a key, or the process itself. It is known without being passed on, so that no place can
 * forget it.
 */

const current = new AsyncLocalStorage<string>();

/** Does the work, and all that follows from it, for a holder. */
export function workFor<T>(holder: string, work: () => T): T {
  return current.run(holder, work);
}

/** Does work whose result several holders get. It counts for none of them, so that no share of a holder holds it up. */
export function workForAll<T>(work: () => T): T {
  return current.run('', work);
}

/** Empty for work of the process itself. */
export function getHolder(): string {
  return current.getStore() ?? '';
}
