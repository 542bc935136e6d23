import { Readable } from 'node:stream';
import type { Sql } from 'postgres';
import type { Database } from './connect.ts';
import { DatabaseError } from './database-error.ts';

/** Rows are collected up to this size: a call for each row would cost its receiver more than the row. */
const chunkBytes = 131_072;

/**
 * Runs `copy (…) to stdout` and hands out the bytes as they come, in chunks of about 128 kB. Resolves when the server said
 * that all of them came; throws DatabaseError if the statement failed or the connection died, the signal's reason after an
 * abort, and what `onChunk` throws. The receiver owns each chunk.
 *
 * The stream is read as fast as it comes, because postgres.js pauses its socket for a slow reader and does not resume it
 * after the last row: the connection would hang. So memory is bounded by what one COPY gives; the caller bounds that.
 *
 * Caller: the render of a batch, exports of the api. Outside of any transaction.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function copyOut(
  db: Database,
  statement: string,
  onChunk: (chunk: Buffer) => void,
  signal: AbortSignal,
): Promise<void> {
  let isOver = false;
  try {
    await db.query((sql) =>
      read(
        sql,
        statement,
        (chunk) => {
          // After a missed deadline the abandoned connection may still deliver.
          if (!isOver) onChunk(chunk);
        },
        signal,
      ),
    );
  } finally {
    isOver = true;
  }
}

/**
 * What postgres.js keeps of a statement, without types. Its own `readable()` gives the stream in a promise. By the time that
 * a waiting function runs, an error in the first packet was emitted by a stream without a listener, which ends the process.
 * So we take the stream where the driver hands it over.
 */
interface DriverStatement {
  resolve: (result: unknown) => void;
  reject: (error: unknown) => void;
  readonly simple: () => void;
  readonly execute: () => void;
  readonly canceller: (statement: DriverStatement) => Promise<void>;
}

async function read(sql: Sql, text: string, onChunk: (chunk: Buffer) => void, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  // `onexecute` keeps the driver from sending another statement on this connection before the COPY is over. That statement
  // would fail with COPY_IN_PROGRESS.
  const statement = sql.unsafe(text, [], { onexecute: () => false } as object) as unknown as DriverStatement;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const cancel = () => {
    // A cancel that fails leaves the statement to its timeout. One that comes late may hit the next statement on that
    // connection, which then fails with an error that its caller retries.
    statement.canceller(statement).catch(() => {});
  };
  let hasStream = false;
  statement.resolve = (result) => {
    // The driver reports the end of the statement too.
    if (hasStream) return;
    if (!(result instanceof Readable)) return reject(new TypeError('The statement is not a COPY to stdout.'));
    hasStream = true;
    consume(result, onChunk, { cancel, signal }).then(resolve, reject);
  };
  // An error behind the first packet comes by the stream.
  statement.reject = (error) => {
    if (!hasStream) reject(error);
  };
  statement.simple();
  statement.execute();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    await promise;
  } finally {
    signal.removeEventListener('abort', cancel);
    signal.throwIfAborted();
  }
}

interface Stop {
  readonly cancel: () => void;
  readonly signal: AbortSignal;
}

/** Reads to the end even after an abort or an error of `onChunk`: a stream that nobody reads blocks its connection. */
function consume(stream: Readable, onChunk: (chunk: Buffer) => void, { cancel, signal }: Stop): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let thrown: { readonly error: unknown } | null = null;
  const collected = collect(onChunk);
  const hand = (work: () => void) => {
    if (thrown || signal.aborted) return;
    try {
      work();
    } catch (error) {
      thrown = { error };
      cancel();
    }
  };
  stream.on('data', (row: Buffer) => hand(() => collected.add(row)));
  stream.on('end', () => {
    hand(() => collected.flush());
    if (thrown) reject(thrown.error);
    else resolve();
  });
  stream.on('error', (error) => reject(thrown ? thrown.error : error));
  // Does nothing after an end or an error.
  stream.on('close', () => reject(new DatabaseError('CONNECTION_CLOSED', 'The connection closed during a COPY.')));
  return promise;
}

function collect(onChunk: (chunk: Buffer) => void) {
  let chunk = Buffer.allocUnsafe(chunkBytes);
  let used = 0;
  function flush(): void {
    if (used === 0) return;
    const full = chunk.subarray(0, used);
    chunk = Buffer.allocUnsafe(chunkBytes);
    used = 0;
    onChunk(full);
  }
  function add(row: Buffer): void {
    if (row.length > chunkBytes - used) flush();
    if (row.length > chunkBytes) {
      onChunk(row);
      return;
    }
    used += row.copy(chunk, used);
  }
  return { add, flush };
}
