import { sleep } from '@auditbox/process/sleep.ts';
import type { DestinationError } from './destination.ts';

/** How often a request is tried that meets a transient error, and the wait before the next try. */
const tries = 5;
const retryMs = 1_000;

/**
 * Does a request again while it meets transient errors. A command that reads a whole bucket sends millions of requests, and one error among
 * them says nothing about the bucket. The last error is returned.
 */
export async function tryAgain<Outcome extends { readonly kind: string }>(
  request: () => Promise<Outcome | DestinationError>,
  signal: AbortSignal,
): Promise<Outcome | DestinationError> {
  for (let triesLeft = tries - 1; ; triesLeft -= 1) {
    const outcome = await request();
    if (!isTransient(outcome) || triesLeft === 0 || signal.aborted) return outcome;
    await sleep(retryMs, signal);
  }
}

function isTransient(outcome: { readonly kind: string }): boolean {
  return outcome.kind === 'error' && (outcome as DestinationError).class === 'transient';
}
