import type { Partition } from './partition.ts';

/** What a batch was rendered to: written down before the upload, so that a retry knows the object it may have left. */
export interface RenderedObject {
  readonly key: string;
  /** Of the uncompressed NDJSON, 64 hexadecimal digits. */
  readonly sha256: string;
  /** Length of the object itself. */
  readonly objectBytes: number;
}

/**
 * A batch that this process has the lease of. Its states, which the table checks:
 * `sealed → uploading → done`, `uploading → sealed` (retry, lost lease, shutdown), `uploading → failed`,
 * `failed → sealed` (replay). What each keeps true: packages/db/src/export/STATES.md.
 */
export interface LeasedBatch {
  readonly id: string;
  readonly partition: Partition;
  readonly rowCount: number;
  /** ISO 8601 in UTC, six fraction digits. */
  readonly firstOccurredAt: string;
  readonly lastOccurredAt: string;
  /** This attempt included. */
  readonly attempts: number;
  readonly leaseToken: string;
  /** By the database's clock, ISO 8601 in UTC, six fraction digits. */
  readonly leasedAt: string;
  /** Of an earlier attempt, whose answer may have been lost. */
  readonly rendered: RenderedObject | null;
}

/** Where an event's exported copy stands. */
export type ExportState = 'pending' | 'sealed' | 'uploading' | 'done' | 'failed' | 'quarantined';
