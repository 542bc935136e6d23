import { connectDatabase, type Database } from '@auditbox/db/connect.ts';
import { replicaLagMs } from '@auditbox/db/replica-lag.ts';
import type { Reader } from './read-from.ts';

/** The pools that answer questions, apart from those that write: a slow question must not make a write wait. */
export interface Readers {
  of(reader: Reader): Database;
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
  const open = (url: string) =>
    connectDatabase({
      url,
      application: 'auditbox api reads',
      maxConnections,
      statementTimeoutMs,
      avoidSeqScans: true,
      onlyReads: true,
    });
  const primary = open(primaryUrl);
  const replica = replicaUrl === null ? primary : open(replicaUrl);
  let measured: { readonly at: number; readonly lag: Promise<number> } | null = null;
  return {
    async lagMs() {
      if (replica === primary) return null;
      if (measured === null || performance.now() - measured.at > measureEveryMs)
        measured = { at: performance.now(), lag: replicaLagMs(replica) };
      return measured.lag;
    },
    of: (reader) => (reader === 'primary' ? primary : replica),
    async close(timeoutMs) {
      await Promise.all([...new Set([primary, replica])].map((db) => db.close(timeoutMs)));
    },
  };
}
