import postgres, { type Options, type Sql } from 'postgres';
import { readDatabaseUrl } from './database-url.ts';
import { nameApplication, useSchema } from './schema-name.ts';
import { allowLongTransactions, commonSettings, type SessionSettings } from './session-settings.ts';

/*
 * What we know of the driver, postgres.js 3.4, and how we live with it. Each hazard names the upstream issue
 * (github.com/porsager/postgres); packages/db/README.md has the list with the hazards that code elsewhere works around.
 */

/** Seconds to reach the server. On top of a statement's own time they bound how long an answer may take. */
export const connectTimeoutS = 5;

/** Options of all our connections, the migrator's too. */
const commonOptions = {
  connect_timeout: connectTimeoutS,
  onnotice: () => {},
  // The driver looks up array types on each new connection and drops the promise. When the look-up fails, the process
  // ends with an unhandled rejection (#1192, #1205, #1223). Our statements send no arrays.
  fetch_types: false,
} as const;

export interface PoolOptions extends Options<Record<string, never>> {
  readonly application: string;
  /** Added to the common settings. */
  readonly settings: SessionSettings;
  readonly schema: string;
  /** Of several servers in the URL, use the one that takes writes. */
  readonly writes?: boolean;
  /** True sends start-up parameters even if the URL says that a pooler is in between. A pooler refuses or ignores them. */
  readonly isDirect?: boolean;
}

/** Opens no connection yet; the first statement, `greet`, does. Times go in and come out as text. */
export function openPool(url: string, request: PoolOptions): Sql {
  const { application, settings, schema, writes = true, isDirect = false, ...options } = request;
  const { isPooled, options: address, connection: asked } = readDatabaseUrl(url, { writes });
  const pooler = isPooled && !isDirect;
  const connection: Record<string, string> = {
    application_name: nameApplication(application, schema),
    ...asked,
    // A pooler refuses start-up parameters that it does not know; there each transaction sets them.
    ...(!pooler && { ...commonSettings, ...settings }),
  };
  const sql = postgres({
    ...commonOptions,
    ...address,
    // Short, so that a database that came back is used at once. The waits of our callers keep the rate down.
    backoff: (retries: number) => Math.min(1, retries * 0.1),
    // The driver sends a statement before the one before it is answered. A pooler in transaction mode gives the
    // connection away in between, and the second answer never comes (#970). 0 would break sql.begin (#1210).
    ...(pooler && { max_pipeline: 1 }),
    ...options,
    connection,
  });
  keepTimesAsText(sql);
  return useSchema(sql, schema);
}

/**
 * The first statement of a pool, before any other. A server before 17 refuses a connection that names transaction_timeout
 * at its start, and the version is known only after the first start. So this sets it on the first connection, and lets
 * later ones set it at their start. Not for a pooler, where each transaction sets it.
 */
export async function greet(sql: Sql): Promise<void> {
  const known = await sql.unsafe(allowLongTransactions('session'));
  // The driver's object and not ours is what the start-up message is made of.
  if (known.length > 0) (sql.options.connection as Record<string, string>).transaction_timeout = '0';
}

/**
 * `sql.begin` for a connection that may die. The driver rolls back after any failure, and on a connection that is closed
 * the text of the rollback is written to a socket that is gone: an exception that nobody can catch ends the process (#1168).
 * So a failure reaches the driver one turn of the event loop later, unless the driver has noticed the loss by then.
 */
export function beginTransaction<T>(sql: Sql, mode: string, work: (tx: Sql) => Promise<T>): Promise<T> {
  let isOver = false;
  const settle = (tx: Sql) =>
    new Promise<T>((resolve, reject) => {
      work(tx).then(
        (result) => isOver || resolve(result),
        (error: unknown) => setImmediate(() => isOver || reject(error)),
      );
    });
  const transaction = sql.begin(mode, (tx) => settle(tx as unknown as Sql)) as Promise<T>;
  return transaction.finally(() => {
    isOver = true;
  });
}

/** timestamptz, date, time, timestamp, and arrays of them. */
const timeTypes = [1184, 1082, 1083, 1114, 1182, 1185, 1115, 1231];
const jsonTypes = [114, 3802];

/**
 * The driver parses times into Dates, which have no microseconds, and rejects texts that are no Date
 * (discussion #761). drizzle does the same to its client; it is not loaded here, because loading it takes longer than
 * the rest of a process's start.
 */
function keepTimesAsText({ options }: Sql): void {
  const keep = (value: unknown) => value;
  for (const type of timeTypes) {
    options.parsers[type] = keep;
    options.serializers[type] = keep;
  }
  for (const type of jsonTypes) options.serializers[type] = keep;
}
