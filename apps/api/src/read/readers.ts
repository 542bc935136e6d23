import { connectDatabase, type Database } from '@auditbox/db/database/connect.ts';
import { replicaLagMs } from '@auditbox/db/database/replica-lag.ts';
import type { EventFilter } from '@auditbox/db/queries/event-filter.ts';
import type { Reader } from './choose-reader.ts';

/** The pools that answer questions, apart from those that write: a slow question must not make a write wait. */
export interface Readers {
  of(reader: Reader, filter?: EventFilter): Database;
  /** How far the replica is behind, in milliseconds, as of a second ago at most; null without one. */
  lagMs(): Promise<number | null>;
  close(timeoutMs: number): Promise<void>;
}

export interface ReaderPlan {
  readonly primaryUrl: string;
  /** Null: the primary answers everything. */
  readonly replicaUrl: string | null;
  readonly statementTimeoutMs: number;
}

const maxConnections = 10;
const measureEveryMs = 1_000;

export function connectReaders({ primaryUrl, replicaUrl, statementTimeoutMs }: ReaderPlan): Readers {
  const open = (url: string, onlyReads: 'in order' | 'any') =>
    connectDatabase({
      url,
      application: 'auditbox api reads',
      maxConnections,
      statementTimeoutMs,
      avoidSeqScans: true,
      onlyReads,
    });
  const openBoth = (url: string) => ({ inOrder: open(url, 'in order'), any: open(url, 'any') });
  const primary = openBoth(primaryUrl);
  const replica = replicaUrl === null ? primary : openBoth(replicaUrl);
  let measured: { readonly at: number; readonly lag: Promise<number> } | null = null;
  return {
    async lagMs() {
      if (replica === primary) return null;
      if (measured === null || performance.now() - measured.at > measureEveryMs)
        measured = { at: performance.now(), lag: replicaLagMs(replica.inOrder) };
      return measured.lag;
    },
    of(reader, filter) {
      const pools = reader === 'primary' ? primary : replica;
      return filter?.words === undefined ? pools.inOrder : pools.any;
    },
    async close(timeoutMs) {
      const pools = new Set([primary, replica].flatMap(({ inOrder, any }) => [inOrder, any]));
      await Promise.all([...pools].map((db) => db.close(timeoutMs)));
    },
  };
}
