import type { Logger } from 'pino';

/**
 * Runs a process's main function. A fault that nobody caught ends the process with exit code 1 after one log line: the
 * state behind it is unknown, and the supervisor's fresh start is safe by design.
 */
export function runMain(logger: Logger, main: () => Promise<void>): void {
  const failStop = (error: unknown) => {
    logger.fatal({ err: error }, 'A fault that nobody expected; leaving, to be started again.');
    process.exit(1);
  };
  process.on('uncaughtException', failStop);
  process.on('unhandledRejection', failStop);
  main().catch(failStop);
}

/** Prints a sentence for a person to standard error and ends the process with exit code 1. */
export function leaveWith(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
