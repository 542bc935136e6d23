import { within } from '@auditbox/core/within.ts';
import postgres, { type Sql } from 'postgres';
import { DatabaseError, toDatabaseError } from './database-error.ts';

/** The connection pool of a process. */
export interface Database {
  /**
   * Sends the statement that `send` makes and waits for the answer up to a deadline. The driver's pool can hang after a
   * backend died, and a connection can be half open. Throws DatabaseError. After a missed deadline
   * the effect of the statement is unknown, and later statements get a new pool: nobody can tell a dead connection from
   * a slow one, and each dead one would cost another deadline. When too many statements wait already, nothing is sent.
   * Statements are prepared unless the pool only reads. Times go in and come out as text.
   */
  query<T>(send: (sql: Sql) => PromiseLike<T>): Promise<T>;
  /** The driver itself, without deadline and DatabaseError. It may be another pool after each statement. */
  readonly sql: Sql;
  /** When a statement was last answered, an error included, by performance.now(): the driver's sign of life. */
  readonly answeredAt: number;
  /** Statements without an answer. Those above `maxConnections` wait in the driver's queue. */
  readonly statements: number;
  readonly maxConnections: number;
  /** Waits up to `timeoutMs` for running statements, then drops the connections. */
  close(timeoutMs: number): Promise<void>;
}

export interface DatabaseOptions {
  /** `?prepare=false` is for a pooler that gives each transaction another connection: nothing is prepared or sent ahead. */
  readonly url: string;
  /** Shown in pg_stat_activity. */
  readonly application: string;
  readonly maxConnections: number;
  /** The server ends a statement that runs longer. */
  readonly statementTimeoutMs: number;
  /**
   * Use an index wherever there is one. For queues: a plan that was made and kept while the table was empty reads all of
   * it, and goes on to when it is full.
   */
  readonly avoidSeqScans?: boolean;
  /**
   * For questions: plan each for its values, write nothing. `in order` also keeps the planner from collecting and sorting
   * what an index has in order, which it likes to do while it has no statistics, however much that is; the index of
   * words has no order, so questions for words need `any`.
   */
  readonly onlyReads?: 'in order' | 'any';
  /** False leaves synchronous_commit to the server, to look at what it says. Nothing may be written then. */
  readonly ownCommit?: boolean;
}

/** Seconds to reach the server; on top of the statement's own time it bounds how long an answer may take. */
const connectTimeoutS = 5;

/** Statements in the driver's queue are out of our hands, so it is kept short. */
const waitingPerConnection = 50;

/** Opens no connection yet; the first statement does. */
export function connectDatabase(options: DatabaseOptions): Database {
  const { maxConnections, statementTimeoutMs } = options;
  const deadlineMs = statementTimeoutMs + connectTimeoutS * 1000;
  let sql = openPool(options);
  let waiting = 0;
  let answeredAt = performance.now();

  function giveUp(pool: Sql): void {
    if (pool !== sql) return;
    sql = openPool(options);
    // What still runs there may end by itself.
    pool.end({ timeout: statementTimeoutMs / 1000 }).catch(() => {});
  }

  return {
    get sql() {
      return sql;
    },
    get answeredAt() {
      return answeredAt;
    },
    get statements() {
      return waiting;
    },
    maxConnections,
    async query<T>(send: (sql: Sql) => PromiseLike<T>): Promise<T> {
      if (waiting >= maxConnections * waitingPerConnection) throw DatabaseError.busy(waiting);
      waiting += 1;
      const pool = sql;
      try {
        // Made a plain promise first: a builder of drizzle runs anew for each `then`.
        const statement = Promise.resolve(send(pool));
        const answered = () => {
          answeredAt = performance.now();
        };
        statement.then(answered, answered);
        return await within(deadlineMs, statement, () => {
          giveUp(pool);
          throw DatabaseError.silent(deadlineMs);
        });
      } catch (error) {
        throw toDatabaseError(error) ?? error;
      } finally {
        waiting -= 1;
      }
    },
    close: (timeoutMs) => sql.end({ timeout: timeoutMs / 1000 }),
  };
}

function openPool(options: DatabaseOptions): Sql {
  const {
    url,
    application,
    maxConnections,
    statementTimeoutMs,
    avoidSeqScans = false,
    onlyReads,
    ownCommit = true,
  } = options;
  const sql = postgres(url, {
    max: maxConnections,
    connect_timeout: connectTimeoutS,
    // Short, so that a database that came back is used at once; the callers' own waits keep the rate down.
    backoff: (retries: number) => Math.min(1, retries * 0.1),
    onnotice: () => {},
    // The driver's own look-up of array types rejects unhandled when its backend dies; no statement sends an array.
    fetch_types: false,
    // Questions have statements of any number of shapes, and a prepared one stays in the memory of both sides for good.
    // Elsewhere the URL decides.
    ...(onlyReads && { prepare: false }),
    // A pooler takes the connection away at the end of a statement, and with it the answer to one that followed at its heels.
    ...(isBehindPooler(url) && { max_pipeline: 0 }),
    connection: {
      application_name: application,
      statement_timeout: statementTimeoutMs,
      idle_in_transaction_session_timeout: 30_000,
      // A 2xx says that the commit is on disk; a database's or role's default must not weaken that.
      ...(ownCommit && { synchronous_commit: 'on' }),
      default_transaction_isolation: 'read committed',
      TimeZone: 'UTC',
      // What is avoided counts as dear, and dear plans would be compiled.
      ...(avoidSeqScans && { enable_seqscan: 'off', jit: 'off' }),
      ...(onlyReads && {
        plan_cache_mode: 'force_custom_plan',
        default_transaction_read_only: true,
        // Four, the default, is of disks that turn. Before there are statistics it makes a sort of all matches look cheaper
        // than reading them in order, and each part of an export would sort all that is left.
        random_page_cost: 1.1,
      }),
      ...(onlyReads === 'in order' && { enable_bitmapscan: 'off' }),
    },
  });
  keepTimesAsText(sql);
  return sql;
}

/** Not by URL: one that names several hosts is none to Node. */
function isBehindPooler(url: string): boolean {
  return /[?&]prepare=false(&|$)/.test(url);
}

/** timestamptz, date, time, timestamp, and arrays of them. */
const timeTypes = [1184, 1082, 1083, 1114, 1182, 1185, 1115, 1231];
const jsonTypes = [114, 3802];

/**
 * The driver would read times into Dates, which drop the microseconds. drizzle does the same to a client that it is put
 * on; it is not loaded here, because that takes longer than all else at the start of a process.
 */
function keepTimesAsText({ options }: Sql): void {
  const asItIs = (value: unknown) => value;
  for (const type of timeTypes) {
    options.parsers[type] = asItIs;
    options.serializers[type] = asItIs;
  }
  for (const type of jsonTypes) options.serializers[type] = asItIs;
}
