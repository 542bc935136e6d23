import { withCommands } from './with-commands.ts';

/** Prints an error's message, or a sentence, to standard error and ends the process with exit code 1. */
export function exitWith(error: unknown): never {
  process.stderr.write(`${withCommands(error instanceof Error ? error.message : String(error))}\n`);
  process.exit(1);
}
