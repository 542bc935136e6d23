import type { DuckDBConnection } from '@duckdb/node-api';

/** An interrupt ends the statement that runs, and not one that begins a moment later. */
const interruptEveryMs = 100;

/** Ends the statements of a connection once the signal is aborted, until the returned function is called. Throws when it is aborted. */
export function interruptWith(signal: AbortSignal, connection: DuckDBConnection): () => void {
  signal.throwIfAborted();
  let timer: NodeJS.Timeout | undefined;
  const interrupt = () => {
    connection.interrupt();
    timer = setTimeout(interrupt, interruptEveryMs);
  };
  signal.addEventListener('abort', interrupt);
  return () => {
    signal.removeEventListener('abort', interrupt);
    clearTimeout(timer);
  };
}
