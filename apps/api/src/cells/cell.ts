import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { queueStatements } from '@auditbox/db/database/queue-statements.ts';
import { createMonthMaker, type MonthMaker } from '@auditbox/db/months/month-maker.ts';
import { connectReaders, type Readers } from '../read/readers.ts';

/** One database of the api, with separate pools for what must not wait for each other. */
export interface Cell {
  /** Empty if there is one database. */
  readonly name: string;
  readonly takesEvents: boolean;
  /** For single events and health checks. */
  readonly db: Database;
  /** For batches: the same connections without those of single events, in shares. */
  readonly batchesDb: Database;
  /** For look-ups of keys: they must not wait for writes, and writes must not wait for them. */
  readonly keysDb: Database;
  /** For changes and lists of keys, replays and pauses: one caller's changes must not hold up the look-ups of all keys. */
  readonly changesDb: Database;
  /** Makes months that events need, on its own connection: writes into existing months do not wait for it. */
  readonly months: MonthMaker;
  /** For reads of events: a slow read must not make a write wait. */
  readonly readers: Readers;
  close(timeoutMs: number): Promise<void>;
}

export interface CellOptions {
  readonly name: string;
  readonly url: string;
  readonly takesEvents: boolean;
  /** Null: the primary answers every read. */
  readonly replicaUrl: string | null;
  readonly schema: string;
  readonly statementTimeoutMs: number;
}

/** Two connections more are for single events, and one for health checks. One key's batches leave two of these seven to others. */
const batches = { running: 7, runningEach: 5, waiting: 350, waitingEach: 175, waitMs: 10_000 };

/** Opens no connection yet. */
export function openCell({ name, url, takesEvents, replicaUrl, schema, statementTimeoutMs }: CellOptions): Cell {
  const common = { url, schema, statementTimeoutMs, cell: name === '' ? undefined : name };
  const db = connectDatabase({ ...common, application: 'auditbox api', maxConnections: 10, guardsSchema: true });
  const readers = connectReaders({
    primaryUrl: url,
    schema,
    replicaUrl,
    statementTimeoutMs,
    cell: common.cell,
  });
  const monthsDb = connectDatabase({
    ...common,
    application: 'auditbox api months',
    maxConnections: 1,
    guardsSchema: true,
  });
  const keysDb = connectDatabase({ ...common, application: 'auditbox api keys', maxConnections: 2 });
  const changesDb = connectDatabase({ ...common, application: 'auditbox api changes', maxConnections: 2 });
  return {
    name,
    takesEvents,
    db,
    batchesDb: queueStatements(db, batches),
    keysDb,
    changesDb,
    months: createMonthMaker(monthsDb),
    readers,
    async close(timeoutMs) {
      await Promise.all([db, keysDb, changesDb, monthsDb, readers].map((pool) => pool.close(timeoutMs)));
    },
  };
}
