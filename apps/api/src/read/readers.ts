import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import type { TurnLimits } from '@auditbox/db/database/fair-turns.ts';
import { workForAll } from '@auditbox/db/database/holder.ts';
import { queueStatements } from '@auditbox/db/database/queue-statements.ts';
import { replicaLagMs } from '@auditbox/db/database/replica-lag.ts';
import type { EventFilter } from '@auditbox/db/queries/event-filter.ts';
import { hasWordIndex } from '@auditbox/db/queries/word-index.ts';
import type { Request, Response } from 'express';
import type { ZodOpenApiParameterObject, ZodOpenApiResponseObject } from 'zod-openapi';
import { isUnindexed, requireBound } from './unindexed.ts';

/** One server, as a source of reads. */
export interface Reader {
  /**
   * The pool for reads with this filter. A search for words needs plans that other reads must avoid. A filter that no index
   * serves has few connections and a short deadline, so that it makes no other read wait; without a bound it is a 400.
   */
  poolFor(filter?: EventFilter): Database;
  /** The same for feeds, which need no bound: a page reads few rows. */
  feedPoolFor(filter: EventFilter): Database;
  /** The same for counts, which read every matching event. */
  countPoolFor(filter: EventFilter): Database;
  /** The pool for reads of a whole batch, which may have 100,000 rows: the same few connections, with a queue in front. */
  readonly longReads: Database;
}

/** The servers that reads can come from. Their pools are separate from the one for writes: a slow read must not make a write wait. */
export interface Readers {
  readonly primary: Reader;
  /** The primary, after it knows whether words are indexed. Throws DatabaseError. */
  getPrimary(): Promise<Reader>;
  /**
   * Decides which server answers a request, and names it in the headers of the response. The replica answers unless the
   * caller must see its own write (`Prefer: read-primary`, https://www.rfc-editor.org/rfc/rfc7240), or the route `needs`
   * what only the primary knows.
   */
  choose(request: Request, response: Response, needs?: 'primary' | 'either'): Promise<Reader>;
  /** How far the replica is behind; 0 without one. */
  lagMs(): Promise<number>;
  close(timeoutMs: number): Promise<void>;
}

export interface ReaderOptions {
  readonly primaryUrl: string;
  /** Null: the primary answers every read. */
  readonly replicaUrl: string | null;
  readonly schema: string;
  readonly statementTimeoutMs: number;
  /** The name of the cell, for errors. */
  readonly cell?: string | undefined;
}

/**
 * The connections of each pool, and how many of them one key may use at once. One key cannot take all of them, and gets no more than half
 * of the places to wait.
 */
const lists = shareConnections(10, 8);
const words = shareConnections(4, 3);
const counts = shareConnections(3, 2);
/** For filters that no index serves. */
const unindexed = {
  ...shareConnections(2, 1),
  statementTimeoutMs: 5_000,
  waiting: 200,
  waitingEach: 100,
  waitMs: 5_000,
};

function shareConnections(running: number, runningEach: number) {
  return { running, runningEach, waiting: running * 50, waitingEach: running * 25, waitMs: 10_000 };
}

const checkIndexEveryMs = 60_000;
const measureEveryMs = 1_000;

export function connectReaders({ primaryUrl, replicaUrl, schema, statementTimeoutMs, cell }: ReaderOptions): Readers {
  const pools: Database[] = [];
  const openPool = (
    url: string,
    onlyReads: 'in order' | 'any',
    { statementTimeoutMs: timeoutMs = statementTimeoutMs, ...limits }: TurnLimits & { statementTimeoutMs?: number },
  ) => {
    const common = {
      url,
      schema,
      cell,
      application: 'auditbox api reads',
      statementTimeoutMs: timeoutMs,
      avoidSeqScans: true,
      guardsSchema: true,
    };
    const pool = connectDatabase({ ...common, onlyReads, maxConnections: limits.running });
    pools.push(pool);
    return queueStatements(pool, limits);
  };
  const connect = (url: string) => {
    return createReader({
      lists: openPool(url, 'in order', lists),
      counts: openPool(url, 'in order', counts),
      words: openPool(url, 'any', words),
      slow: openPool(url, 'any', unindexed),
    });
  };
  const primary = connect(primaryUrl);
  const replica = replicaUrl === null ? null : createReplica(connect(replicaUrl));
  return {
    primary,
    async getPrimary() {
      await primary.checkWordIndex();
      return primary;
    },
    async choose(request, response, needs = 'either') {
      const prefersPrimary = readPreference(request) === 'read-primary';
      if (prefersPrimary) response.setHeader('preference-applied', 'read-primary');
      const reader = replica === null || prefersPrimary || needs === 'primary' ? primary : replica.reader;
      await reader.checkWordIndex();
      if (replica === null || reader === primary) return primary;
      response.setHeader('auditbox-replica-lag-ms', Math.round(await replica.lagMs()));
      return reader;
    },
    lagMs: async () => (replica === null ? 0 : replica.lagMs()),
    async close(timeoutMs) {
      await Promise.all(pools.map((pool) => pool.close(timeoutMs)));
    },
  };
}

interface Pools {
  readonly lists: Database;
  readonly counts: Database;
  readonly words: Database;
  readonly slow: Database;
}

interface CheckedReader extends Reader {
  /** Finds out whether words are indexed, once a minute. */
  checkWordIndex(): Promise<void>;
}

function createReader({ lists, counts, words, slow }: Pools): CheckedReader {
  let wordsAreIndexed = false;
  let checkedAt = Number.NEGATIVE_INFINITY;

  function choose(filter: EventFilter | undefined, otherwise: Database): Database {
    if (filter === undefined) return otherwise;
    if (isUnindexed(filter, wordsAreIndexed)) {
      requireBound(filter, Date.now());
      return slow;
    }
    return filter.words === undefined ? otherwise : words;
  }

  return {
    poolFor: (filter) => choose(filter, lists),
    feedPoolFor: (filter) => (isUnindexed(filter, wordsAreIndexed) ? slow : lists),
    countPoolFor: (filter) => choose(filter, counts),
    longReads: slow,
    async checkWordIndex() {
      if (performance.now() - checkedAt < checkIndexEveryMs) return;
      wordsAreIndexed = await workForAll(() => hasWordIndex(lists));
      checkedAt = performance.now();
    },
  };
}

/** A replica and its lag, which is at most a second old. */
function createReplica(reader: CheckedReader): { readonly reader: CheckedReader; lagMs(): Promise<number> } {
  let measured: { readonly at: number; readonly lag: Promise<number> } | null = null;
  return {
    reader,
    lagMs() {
      if (measured === null || performance.now() - measured.at > measureEveryMs)
        measured = { at: performance.now(), lag: workForAll(() => replicaLagMs(reader.poolFor())) };
      return measured.lag;
    },
  };
}

function readPreference(request: Request): 'read-primary' | null {
  const preferences = (request.get('prefer') ?? '').toLowerCase().split(/[,;]/);
  return preferences.some((preference) => preference.trim() === 'read-primary') ? 'read-primary' : null;
}

/** The request header of `choose`, for the OpenAPI document. */
export const preferHeader = {
  name: 'Prefer',
  in: 'header',
  description:
    '`read-primary` (RFC 7240): the answer includes every write that was acknowledged before. Otherwise a replica may answer.',
  schema: { type: 'string' },
} as const satisfies ZodOpenApiParameterObject;

/** The response headers of `choose`, for the OpenAPI document. */
export const readerHeaders = {
  'Preference-Applied': {
    description: 'Present if the request had `Prefer: read-primary`.',
    schema: { type: 'string', const: 'read-primary' },
  },
  'Auditbox-Replica-Lag-Ms': {
    description: 'Present if a replica answered: how many milliseconds it was behind the primary.',
    schema: { type: 'string', pattern: '^[0-9]+$' },
  },
} as const satisfies ZodOpenApiResponseObject['headers'];
