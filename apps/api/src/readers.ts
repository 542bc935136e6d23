import { connectDatabase, type Database } from '@auditbox/db/connect.ts';
import type { Reader } from './read-from.ts';

/** The pools that answer questions, apart from those that write: a slow question must not make a write wait. */
export interface Readers {
  of(reader: Reader): Database;
  close(timeoutMs: number): Promise<void>;
}

export interface ReaderPlan {
  readonly primaryUrl: string;
  /** Null: the primary answers everything. */
  readonly replicaUrl: string | null;
  readonly statementTimeoutMs: number;
}

const maxConnections = 10;

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
  return {
    of: (reader) => (reader === 'primary' ? primary : replica),
    async close(timeoutMs) {
      await Promise.all([...new Set([primary, replica])].map((db) => db.close(timeoutMs)));
    },
  };
}
