import { type Compression, keyEndings } from './compression.ts';
import { type Partition, partitionFolder } from './partition.ts';

/** Everything that an object's key depends on, so that the same batch always has the same key. */
export interface KeyParts {
  /** Put in front of the key unchanged. Ends in `/` when it names a folder. */
  readonly prefix: string;
  readonly partition: Partition;
  /** Event time of the batch's first row, ISO 8601 in UTC. */
  readonly firstOccurredAt: string;
  readonly batchId: string;
  /** Hash of the uncompressed NDJSON, 64 hexadecimal digits. */
  readonly sha256: string;
  readonly compression: Compression;
}

/**
 * `<prefix>dt=2026-07-03/hour=11/114650_000000000042_0123456789ab.ndjson.gz`, or `.zst`.
 *
 * The hash makes the key depend on the content. A database that was restored from a backup gives old batch ids to
 * other rows, and the key of their object must differ from the key of the older object.
 */
export function objectKey({ prefix, partition, firstOccurredAt, batchId, sha256, compression }: KeyParts): string {
  const timeOfDay = firstOccurredAt.slice(11, 19).replaceAll(':', '');
  const name = `${timeOfDay}_${batchId.padStart(12, '0')}_${sha256.slice(0, 12)}`;
  return `${prefix}${partitionFolder(partition)}${name}.ndjson${keyEndings[compression]}`;
}
