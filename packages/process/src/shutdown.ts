import { once } from 'node:events';
import type { Logger } from 'pino';

/** Resolves once a signal is aborted, also when it was before. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}

/** Two ways to be told to end: `taking` says take nothing new and finish; `working` says give up what is under way. */
export interface Shutdown {
  readonly taking: AbortSignal;
  readonly working: AbortSignal;
}

/**
 * The first SIGTERM or SIGINT aborts `taking`, and `graceMs` later `working`; the second signal ends the process at
 * once, which loses nothing: leases run out by themselves.
 */
export function listenForShutdown(logger: Logger, graceMs: number): Shutdown {
  const taking = new AbortController();
  const working = new AbortController();
  const onSignal = (signal: NodeJS.Signals) => {
    if (taking.signal.aborted) {
      logger.warn({ signal }, 'Second signal: leaving at once.');
      process.exit(1);
    }
    logger.info({ signal, graceMs }, 'Stopping: finishing what is under way. A second signal leaves at once.');
    taking.abort();
    setTimeout(() => working.abort(), graceMs).unref();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  return { taking: taking.signal, working: working.signal };
}
