import type { Logger } from 'pino';
import { createProcessLog } from './log.ts';

export interface Watched {
  /** Sends a statement that the database answers at once when all is well. */
  readonly canary: () => Promise<unknown>;
  /** When the database last answered any statement, with a result or an error, as a reading of performance.now(). */
  readonly answeredAt: () => number;
}

/**
 * Ends the process with exit code 70 when a canary waits and the database answered nothing for `deadlineMs`. The pool of
 * the database driver then hangs, and only a new process helps. An error counts as an answer, so a database that is
 * down does not end its clients. A slow database does not end them either, because its late answers count. The
 * supervisor starts the process again, and nothing is lost.
 */
export function startWatchdog(
  { canary, answeredAt }: Watched,
  { everyMs, deadlineMs, logger }: { everyMs: number; deadlineMs: number; logger: Logger },
): { stop(): void } {
  let waitingSince: number | null = null;
  const timer = setInterval(() => {
    if (waitingSince === null) {
      waitingSince = performance.now();
      const answered = () => {
        waitingSince = null;
      };
      canary().then(answered, answered);
      return;
    }
    if (performance.now() - Math.max(waitingSince, answeredAt()) < deadlineMs) return;
    createProcessLog(logger).databaseDriverHung(deadlineMs);
    process.exit(70);
  }, everyMs);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
