import type { Logger } from 'pino';

export interface Watched {
  /** Sends something that the database answers at once when all is well. */
  readonly canary: () => Promise<unknown>;
  /** When anything was last answered, be it with an error, by performance.now(). */
  readonly answeredAt: () => number;
}

/**
 * Ends the process (exit 70) when nothing is answered for `deadlineMs` although a canary waits: then the database
 * driver's pool hangs, and only a new process helps. An error is an answer: a database that is down does not kill its
 * clients; and neither does a slow one, whose answers come late. The supervisor starts the process again; nothing is
 * lost by it.
 */
export function startWatchdog(
  { canary, answeredAt }: Watched,
  { everyMs, deadlineMs, logger }: { everyMs: number; deadlineMs: number; logger: Logger },
): { stop(): void } {
  let waitingSince: number | null = null;
  const timer = setInterval(() => {
    if (waitingSince === null) {
      waitingSince = performance.now();
      const settled = () => {
        waitingSince = null;
      };
      canary().then(settled, settled);
      return;
    }
    if (performance.now() - Math.max(waitingSince, answeredAt()) < deadlineMs) return;
    logger.fatal({ deadlineMs }, 'The database driver does not answer any more; leaving, to be started again.');
    process.exit(70);
  }, everyMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
