import pino, { type Logger, type LoggerOptions } from 'pino';

/**
 * A logger of one JSON object a line. Error objects are reduced to what is safe to show: a database's error carries the
 * statement's parameters and quotes rows in its detail, and drizzle's prints the parameters in its message.
 */
export function createLogger(service: string, level: string, output: 'stdout' | 'stderr' = 'stdout'): Logger {
  const options: LoggerOptions = {
    level,
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: safeError },
  };
  return pino(options, pino.destination(output === 'stdout' ? 1 : 2));
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
