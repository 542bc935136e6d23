import type { Partition } from './partition.ts';

/** The object of a batch. Recorded before the upload, so that a retry knows which object the earlier attempt may have left. */
export interface RenderedObject {
  readonly key: string;
  /** Hash of the uncompressed NDJSON, 64 hexadecimal digits. */
  readonly sha256: string;
  /** Length of the compressed object. */
  readonly objectBytes: number;
}

/**
 * A batch whose lease this process holds. The table checks the state changes: `sealed → uploading → done`,
 * `uploading → sealed` (retry, lost lease, shutdown), `uploading → failed`, `failed → sealed` (replay). The invariants of
 * each state are in packages/db/src/export/STATES.md.
 */
export interface LeasedBatch {
  readonly id: string;
  readonly partition: Partition;
  readonly rowCount: number;
  /** ISO 8601 in UTC, six fraction digits. */
  readonly firstOccurredAt: string;
  readonly lastOccurredAt: string;
  /** Number of attempts, including this one. */
  readonly attempts: number;
  readonly leaseToken: string;
  /** By the database's clock, ISO 8601 in UTC, six fraction digits. */
  readonly leasedAt: string;
  /** The object of an earlier attempt. Its upload may have succeeded even if the response was lost. */
  readonly rendered: RenderedObject | null;
}

/** How far the export of an event has come. */
export type ExportState = 'pending' | 'sealed' | 'sending' | 'done' | 'failed' | 'rejected';
