import { sleep } from '@auditbox/process/sleep.ts';

/** How a polling loop sleeps: not at all while there is work, else longer each time, up to `maxMs`. */
export interface Pace {
  /** There was work: the next wait is short. */
  busy(): void;
  /** Sleeps until `wake` or the signal, and for `mostMs` at most, when something is known to be due then. */
  wait(signal: AbortSignal, mostMs?: number): Promise<void>;
  /** Ends the current wait, or makes the next one return at once. */
  wake(): void;
}

const firstMs = 10;

/** A wait is random between half and all of its bound, so that several exporters do not poll in step. */
export function createPace(maxMs: number): Pace {
  let boundMs = firstMs;
  let waking = new AbortController();
  return {
    busy() {
      boundMs = firstMs;
    },
    async wait(signal, mostMs = maxMs) {
      const ms = Math.min(boundMs * (0.5 + Math.random() / 2), Math.max(1, mostMs));
      await sleep(ms, AbortSignal.any([signal, waking.signal]));
      boundMs = waking.signal.aborted ? firstMs : Math.min(maxMs, boundMs * 2);
      waking = new AbortController();
    },
    wake() {
      waking.abort();
    },
  };
}
