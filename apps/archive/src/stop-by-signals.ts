import { ArchiveError, exitCodes } from './archive-error.ts';

/** npm forwards Ctrl-C to a process that has it from the terminal already, so one key press arrives twice. */
const samePressMs = 1_000;

/** A statement that runs in Postgres cannot be ended from here. */
const graceMs = 3_000;

/**
 * The first SIGINT or SIGTERM aborts. A command that has not ended three seconds later, and a second signal, end the process at
 * once. Every command can die anywhere, so nothing is lost.
 */
export function stopBySignals(say: (text: string) => void): AbortSignal {
  const stop = new AbortController();
  let firstAt = 0;
  const onSignal = (name: NodeJS.Signals) => {
    if (stop.signal.aborted && performance.now() - firstAt < samePressMs) return;
    if (stop.signal.aborted) process.exit(exitCodes.failed);
    firstAt = performance.now();
    const reason = new ArchiveError(`Stopped by ${name}.`);
    stop.abort(reason);
    setTimeout(() => {
      say(`${reason.message}\n`);
      process.exit(reason.exitCode);
    }, graceMs).unref();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return stop.signal;
}
