import pino, { type Logger } from 'pino';

/**
 * A logger of one JSON object a line, to standard output. Error objects are reduced to what is safe to show: a
 * database's error carries the statement's parameters and quotes rows in its detail.
 */
export function createLogger(service: string, level: string): Logger {
  return pino({
    level,
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: safeError },
    redact: ['headers.authorization', '*.headers.authorization', 'password', 'secret'],
  });
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
  const code = 'code' in error ? error.code : undefined;
  return cause instanceof Error
    ? { name, message, code, stack, cause: safeError(cause) }
    : { name, message, code, stack };
}
