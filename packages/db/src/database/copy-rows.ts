import { Readable } from 'node:stream';
import type { Sql } from 'postgres';
import type { Database } from './connect.ts';
import { DatabaseError } from './database-error.ts';

/**
 * Runs `copy (…) to stdout` and hands out each row's bytes as they come: in the text forms with the line break, in the binary
 * form from the number of columns on. Resolves when the server said that all of them came and how many; throws DatabaseError if
 * the statement failed, the connection died or another number of rows came, the signal's reason after an abort, and what `onRow`
 * throws. A row that is kept keeps the whole packet that it came in.
 *
 * The stream is read as fast as it comes, because postgres.js pauses its socket for a slow reader and does not resume it
 * after the last row: the connection would hang. So memory is bounded by what one COPY gives; the caller bounds that.
 *
 * Caller: the render of a batch, exports of the api. Outside of any transaction.
 * Locks: none.
 * Crash: nothing is written.
 */
export async function copyRows(
  db: Database,
  statement: string,
  onRow: (row: Buffer) => void,
  signal: AbortSignal,
): Promise<void> {
  let isOver = false;
  try {
    await db.query((sql) =>
      read(
        sql,
        statement,
        (row) => {
          // After a missed deadline the abandoned connection may still deliver.
          if (!isOver) onRow(row);
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

async function read(sql: Sql, text: string, onRow: (row: Buffer) => void, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  // `onexecute` keeps the driver from sending another statement on this connection before the COPY is over. That statement
  // would fail with COPY_IN_PROGRESS.
  const statement = sql.unsafe(text, [], { onexecute: () => false } as object) as unknown as DriverStatement;
  const cancel = () => {
    // A cancel that fails leaves the statement to its timeout. One that comes late may hit the next statement on that
    // connection, which then fails with an error that its caller retries.
    statement.canceller(statement).catch(() => {});
  };
  const streamed = Promise.withResolvers<number>();
  const answered = Promise.withResolvers<number | null>();
  answered.promise.catch(() => {});
  let isStreaming = false;
  // Called with the stream, and once more at the end of the statement.
  statement.resolve = (result) => {
    if (isStreaming) return answered.resolve((result as { readonly count: number | null }).count);
    if (!(result instanceof Readable)) return streamed.reject(new TypeError('The statement is not a COPY to stdout.'));
    isStreaming = true;
    consume(result, onRow, { cancel, signal }).then(streamed.resolve, streamed.reject);
  };
  // An error behind the first packet comes by the stream too, and there after what `onRow` threw.
  statement.reject = (error) => {
    answered.reject(error);
    if (!isStreaming) streamed.reject(error);
  };
  statement.simple();
  statement.execute();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    const rows = await streamed.promise;
    if (rows !== (await answered.promise))
      throw new DatabaseError('CONNECTION_LOST_ROWS', 'Rows of a COPY are missing.');
  } finally {
    signal.removeEventListener('abort', cancel);
    signal.throwIfAborted();
  }
}

/** What begins a COPY in the binary form. Four bytes of flags and an empty extension follow. */
const signature = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
const headerBytes = signature.length + 8;

/** Takes the rows out of messages, of either form. Null where a message is the end of the binary form. */
function readMessages(): (message: Buffer) => Buffer | null {
  let isFirst = true;
  let isBinary = false;
  return (message) => {
    let row = message;
    if (isFirst) {
      isFirst = false;
      isBinary = message.subarray(0, signature.length).equals(signature);
      if (isBinary) row = message.subarray(headerBytes);
    }
    return isBinary && row.length === 2 && row.readInt16BE(0) === -1 ? null : row;
  };
}

interface Stop {
  readonly cancel: () => void;
  readonly signal: AbortSignal;
}

/**
 * Reads to the end even after an abort or an error of `onRow`: a stream that nobody reads blocks its connection. Resolves to
 * the number of rows. The server sends each row as a message, and the driver emits each message.
 */
function consume(stream: Readable, onRow: (row: Buffer) => void, { cancel, signal }: Stop): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let thrown: { readonly error: unknown } | null = null;
  let rows = 0;
  const readMessage = readMessages();
  stream.on('data', (message: Buffer) => {
    const row = readMessage(message);
    if (row === null) return;
    rows += 1;
    if (thrown || signal.aborted) return;
    try {
      onRow(row);
    } catch (error) {
      thrown = { error };
      cancel();
    }
  });
  stream.on('end', () => {
    if (thrown) reject(thrown.error);
    else resolve(rows);
  });
  stream.on('error', (error) => reject(thrown ? thrown.error : error));
  // Does nothing after an end or an error.
  stream.on('close', () => reject(new DatabaseError('CONNECTION_CLOSED', 'The connection closed during a COPY.')));
  return promise;
}
