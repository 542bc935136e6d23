import { within } from '@auditbox/core/within.ts';
import type { Sql } from 'postgres';
import { DatabaseError, toDatabaseError } from './database-error.ts';
import { readDatabaseUrl } from './database-url.ts';
import { beginTransaction, connectTimeoutS, greet, openPool } from './postgres-js.ts';
import { createSchemaGuard, readSchemaFacts, type SchemaFacts } from './schema-guard.ts';
import { defaultSchema } from './schema-name.ts';
import { commonSettings, setLocally } from './session-settings.ts';

/** The connection pool of a process. */
export interface Database {
  /**
   * Sends the statement that `send` makes and waits for its answer up to a deadline, because the driver's pool can hang
   * after a backend died and a connection can be half open. Throws DatabaseError.
   *
   * After a missed deadline the effect of the statement is unknown, and later statements get a new pool. A dead connection
   * looks like a slow one, and each dead one would cost another deadline. When too many statements wait, nothing is sent.
   *
   * Statements are prepared unless the pool only reads. Times go in and come out as text.
   */
  query<T>(send: (sql: Sql) => PromiseLike<T>): Promise<T>;
  /** The driver itself, without deadline and DatabaseError. It may be another pool after each statement. */
  readonly sql: Sql;
  /** When a statement was last answered, an error included, by performance.now(). */
  readonly answeredAt: number;
  /** Statements without an answer. Those above `maxConnections` wait in the driver's queue. */
  readonly statements: number;
  readonly maxConnections: number;
  /** Whether its sessions write nothing. */
  readonly onlyReads: boolean;
  /** Waits up to `timeoutMs` for running statements, then drops the connections. */
  close(timeoutMs: number): Promise<void>;
}

export interface DatabaseOptions {
  /** `?prepare=false` is for a pooler in transaction mode: nothing is prepared or sent ahead. */
  readonly url: string;
  /** Shown in pg_stat_activity, with the schema unless it is `auditbox`. */
  readonly application: string;
  readonly maxConnections: number;
  /** The schema of the tables, `auditbox` unless given. */
  readonly schema?: string | undefined;
  /** The server cancels a statement that runs longer. */
  readonly statementTimeoutMs: number;
  /**
   * Use an index wherever there is one. For queues: a plan that was made while the table was empty reads all of it, and
   * the session keeps that plan when the table is full.
   */
  readonly avoidSeqScans?: boolean;
  /**
   * For queries: plan each for its values, write nothing. `in order` also keeps the planner from collecting and sorting
   * rows that an index has in order. Without statistics the planner prefers the sort, however many rows there are. The
   * index of words has no order, so queries for words need `any`.
   */
  readonly onlyReads?: 'in order' | 'any';
  /** Send nothing while the schema is too new for this version, or the database is another cell. For the processes. */
  readonly guardsSchema?: boolean;
  /** The name of the cell, for errors and for the guard. */
  readonly cell?: string | undefined;
  /** False leaves synchronous_commit to the server, to read the server's own value. Nothing may be written then. */
  readonly ownCommit?: boolean;
}

/** We cannot cancel statements in the driver's queue, so the queue is kept short. */
const waitingPerConnection = 50;

/** The deadline of an answer: the server may connect and work that long. */
export function answerWithinMs(statementTimeoutMs: number): number {
  return statementTimeoutMs + connectTimeoutS * 1000;
}

/** Opens no connection yet; the first statement does. */
export function connectDatabase(options: DatabaseOptions): Database {
  const { maxConnections, statementTimeoutMs } = options;
  const deadlineMs = answerWithinMs(statementTimeoutMs);
  let sql = openConfiguredPool(options);
  const { isPooled } = readDatabaseUrl(options.url, { writes: false });
  const prologue = setLocally({ ...commonSettings, ...sessionSettings(options) });
  /** Pools whose first connection has its settings. */
  const greeted = new WeakMap<Sql, Promise<void> | 'done'>();
  const guard = createSchemaGuard(() => sendAsAsked(sql, readSchemaFacts) as Promise<SchemaFacts>, options.cell);
  let waiting = 0;
  let answeredAt = performance.now();
  const inCell = (error: DatabaseError) => Object.assign(error, { cell: options.cell ?? null });

  function replacePool(pool: Sql): void {
    if (pool !== sql) return;
    sql = openConfiguredPool(options);
    // Statements that still run there may end by themselves.
    pool.end({ timeout: statementTimeoutMs / 1000 }).catch(() => {});
  }

  /** Without a wait once the pool is greeted and the schema known, so that statements are sent in the order of the calls. */
  async function sendWhenReady<T>(pool: Sql, send: (sql: Sql) => PromiseLike<T>): Promise<T> {
    if (!isPooled && greeted.get(pool) !== 'done') {
      const greeting = greeted.get(pool) ?? greet(pool);
      greeted.set(pool, greeting);
      try {
        await greeting;
        greeted.set(pool, 'done');
      } catch (error) {
        greeted.delete(pool);
        throw error;
      }
    }
    if (options.guardsSchema) {
      const admission = guard.admit();
      if (admission !== null) await admission;
    }
    // A plain promise: a query builder of drizzle runs again at each `then`.
    return sendAsAsked(pool, send);
  }

  /** Behind a pooler in transaction mode each statement is a transaction that makes its settings first. */
  function sendAsAsked<T>(pool: Sql, send: (sql: Sql) => PromiseLike<T>): PromiseLike<T> {
    if (!isPooled) return send(pool);
    const mode = `isolation level read committed ${options.onlyReads ? 'read only' : 'read write'}`;
    return beginTransaction(pool, mode, async (tx) => {
      await tx.unsafe(prologue);
      return send(tx);
    });
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
    onlyReads: options.onlyReads !== undefined,
    async query<T>(send: (sql: Sql) => PromiseLike<T>): Promise<T> {
      if (waiting >= maxConnections * waitingPerConnection) throw inCell(DatabaseError.busy(waiting));
      waiting += 1;
      const pool = sql;
      try {
        const statement = sendWhenReady(pool, send);
        const answered = () => {
          answeredAt = performance.now();
        };
        statement.then(answered, answered);
        return await within(deadlineMs, statement, () => {
          replacePool(pool);
          throw DatabaseError.silent(deadlineMs);
        });
      } catch (error) {
        const databaseError = toDatabaseError(error);
        // After a failover the connections lead to a server that is a standby now. New ones find the primary.
        if (databaseError?.kind === 'read-only' && !options.onlyReads) replacePool(pool);
        throw databaseError === null ? error : inCell(databaseError);
      } finally {
        waiting -= 1;
      }
    },
    close: (timeoutMs) => sql.end({ timeout: timeoutMs / 1000 }),
  };
}

function openConfiguredPool(options: DatabaseOptions): Sql {
  const { url, application, maxConnections, onlyReads, schema = defaultSchema } = options;
  return openPool(url, {
    application,
    schema,
    settings: sessionSettings(options),
    max: maxConnections,
    writes: !onlyReads,
    // The number of different queries has no limit, and a prepared statement stays in the memory of both sides.
    // On other pools the URL decides.
    ...(onlyReads && { prepare: false }),
  });
}

function sessionSettings({ statementTimeoutMs, avoidSeqScans, onlyReads, ownCommit = true }: DatabaseOptions) {
  return {
    statement_timeout: String(statementTimeoutMs),
    // A statement that waits for a lock ends at its own timeout.
    lock_timeout: '0',
    idle_in_transaction_session_timeout: '30000',
    // A 2xx promises that the commit is on disk.
    ...(ownCommit && { synchronous_commit: 'on' }),
    default_transaction_read_only: onlyReads ? 'on' : 'off',
    ...(avoidSeqScans && { enable_seqscan: 'off' }),
    ...(onlyReads && {
      plan_cache_mode: 'force_custom_plan',
      // The default of 4 is for spinning disks. Without statistics it makes sorting all matches look cheaper than
      // reading them in order, and each part of an export would sort everything that is left.
      random_page_cost: '1.1',
    }),
    ...(onlyReads === 'in order' && { enable_bitmapscan: 'off' }),
  };
}
