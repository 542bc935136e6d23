import pino, { type Logger, type LoggerOptions } from 'pino';
import { withCommands } from './with-commands.ts';

/**
 * A logger that writes one JSON object per line. It logs only the safe parts of an error. A database error contains the
 * parameters of the statement and quotes rows in its detail, and drizzle's error has the parameters in its message.
 */
export function createLogger(service: string, level: string, output: 'stdout' | 'stderr' = 'stdout'): Logger {
  const options: LoggerOptions = {
    level,
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: safeError },
    ...(process.env.AUDITBOX_COMMAND && { hooks: { streamWrite: withCommands } }),
  };
  return pino(options, openOutput(output === 'stdout' ? 1 : 2));
}

/** What waits while the log cannot be written. Later lines are dropped. */
const mostWaiting = 1_048_576;

/**
 * A log that cannot be written, on a full disk or a terminal that was closed, must not end the process: its work goes on, and so do
 * its lines once they can be written again.
 */
function openOutput(dest: 1 | 2): pino.DestinationStream {
  const output = pino.destination({ dest, maxLength: mostWaiting });
  const { flushSync } = output;
  output.on('error', () => {
    // At the end of the process it would throw the error again.
    output.flushSync = () => {};
  });
  output.on('write', () => {
    output.flushSync = flushSync;
  });
  return output;
}

interface SafeError {
  readonly name: string;
  readonly message: string;
  readonly code: unknown;
  readonly stack: string | undefined;
  readonly cause?: SafeError;
}

function safeError(error: unknown): SafeError {
  if (!(error instanceof Error)) return { name: 'unknown', message: String(error), code: undefined, stack: undefined };
  const { name, message, stack, cause } = error;
  if ('params' in error && cause instanceof Error) return safeError(cause);
  const code = 'code' in error ? error.code : undefined;
  return cause instanceof Error
    ? { name, message, code, stack, cause: safeError(cause) }
    : { name, message, code, stack };
}
