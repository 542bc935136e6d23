import type { Logger } from 'pino';

/**
 * Ends the process when a canary does not settle within `deadlineMs`: then the database driver's pool hangs, and only
 * a new process helps. An error is an answer: a database that is down does not kill its clients. The supervisor
 * starts the process again; nothing is lost by it.
 */
export function startWatchdog(
  canary: () => Promise<void>,
  { everyMs, deadlineMs, logger }: { everyMs: number; deadlineMs: number; logger: Logger },
): { stop(): void } {
  const bite = () => {
    logger.fatal({ deadlineMs }, 'The database driver does not answer any more; leaving, to be started again.');
    process.exit(70);
  };
  let deadline: NodeJS.Timeout | undefined;
  const timer = setInterval(() => {
    if (deadline) return;
    deadline = setTimeout(bite, deadlineMs);
    const settled = () => {
      clearTimeout(deadline);
      deadline = undefined;
    };
    canary().then(settled, settled);
  }, everyMs);
  timer.unref();
  return {
    stop: () => {
      clearInterval(timer);
      clearTimeout(deadline);
    },
  };
}
