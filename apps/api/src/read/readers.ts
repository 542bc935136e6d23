import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { replicaLagMs } from '@auditbox/db/database/replica-lag.ts';
import type { EventFilter } from '@auditbox/db/queries/event-filter.ts';
import type { Request, Response } from 'express';
import type { ZodOpenApiParameterObject, ZodOpenApiResponseObject } from 'zod-openapi';

/** One server, as a source of reads. */
export interface Reader {
  /** The pool for reads with this filter. A search for words needs plans that other reads must avoid. */
  poolFor(filter?: EventFilter): Database;
}

/** The servers that reads can come from. Their pools are separate from the one for writes: a slow read must not make a write wait. */
export interface Readers {
  readonly primary: Reader;
  /**
   * Decides which server answers a request, and names it in the headers of the response. The replica answers unless the
   * caller must see its own write (`Prefer: read-primary`, https://www.rfc-editor.org/rfc/rfc7240), or the route `needs`
   * what only the primary knows.
   */
  choose(request: Request, response: Response, needs?: 'primary' | 'either'): Promise<Reader>;
  close(timeoutMs: number): Promise<void>;
}

export interface ReaderOptions {
  readonly primaryUrl: string;
  /** Null: the primary answers every read. */
  readonly replicaUrl: string | null;
  readonly schema: string;
  readonly statementTimeoutMs: number;
}

const maxConnections = 10;
const measureEveryMs = 1_000;

export function connectReaders({ primaryUrl, replicaUrl, schema, statementTimeoutMs }: ReaderOptions): Readers {
  const openPool = (url: string, onlyReads: 'in order' | 'any') =>
    connectDatabase({
      url,
      schema,
      application: 'auditbox api reads',
      maxConnections,
      statementTimeoutMs,
      avoidSeqScans: true,
      onlyReads,
      guardsSchema: true,
    });
  const pools: Database[] = [];
  const connect = (url: string) => {
    const [inOrder, any] = [openPool(url, 'in order'), openPool(url, 'any')];
    pools.push(inOrder, any);
    return { poolFor: (filter) => (filter?.words === undefined ? inOrder : any) } satisfies Reader;
  };
  const primary = connect(primaryUrl);
  const replica = replicaUrl === null ? null : createReplica(connect(replicaUrl));
  return {
    primary,
    async choose(request, response, needs = 'either') {
      const prefersPrimary = readPreference(request) === 'read-primary';
      if (prefersPrimary) response.setHeader('preference-applied', 'read-primary');
      if (replica === null || prefersPrimary || needs === 'primary') return primary;
      response.setHeader('auditbox-replica-lag-ms', Math.round(await replica.lagMs()));
      return replica.reader;
    },
    async close(timeoutMs) {
      await Promise.all(pools.map((pool) => pool.close(timeoutMs)));
    },
  };
}

/** A replica and its lag, which is at most a second old. */
function createReplica(reader: Reader): { readonly reader: Reader; lagMs(): Promise<number> } {
  let measured: { readonly at: number; readonly lag: Promise<number> } | null = null;
  return {
    reader,
    lagMs() {
      if (measured === null || performance.now() - measured.at > measureEveryMs)
        measured = { at: performance.now(), lag: replicaLagMs(reader.poolFor()) };
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
