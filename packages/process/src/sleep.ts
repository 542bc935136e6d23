import { setTimeout as delay } from 'node:timers/promises';

/** Waits for `ms`, or until the signal is aborted. Never throws. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {});
}
