import { writeSync } from 'node:fs';
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

/** How long the end of a process waits for a reader of the log that does not read. */
const flushMs = 1_000;

/**
 * A log that cannot be written, on a full disk or a terminal that was closed, must not end the process: its work goes on, and so do
 * its lines once they can be written again. It must not hold up the end of the process either.
 */
function openOutput(dest: 1 | 2): pino.DestinationStream {
  const output = pino.destination({ dest, maxLength: mostWaiting });
  output.on('error', () => {});
  // At the end of the process sonic-boom would try for ever when nobody reads, or when the disk is full.
  output.flushSync = () => writeAll(dest, takeWaiting(output as unknown as Waiting));
  return output;
}

/** What sonic-boom has not written yet. */
interface Waiting {
  readonly _writing: boolean;
  _writingBuf: string;
  _bufs: string[];
}

function takeWaiting(waiting: Waiting): string {
  // What is being written now reaches the log by itself.
  const text = (waiting._writing ? '' : waiting._writingBuf) + waiting._bufs.join('');
  if (!waiting._writing) waiting._writingBuf = '';
  waiting._bufs = [];
  return text;
}

function writeAll(dest: number, text: string): void {
  const endsAt = performance.now() + flushMs;
  for (let left = Buffer.from(text); left.length > 0; ) {
    try {
      left = left.subarray(writeSync(dest, left));
    } catch (error) {
      const isFull = (error as NodeJS.ErrnoException).code === 'EAGAIN';
      if (!isFull || performance.now() > endsAt) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
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
