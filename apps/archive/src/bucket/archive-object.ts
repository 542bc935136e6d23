import { readBatchId } from '@auditbox/core/export/batch-id.ts';
import type { BucketFile } from '@auditbox/s3/bucket-files.ts';

/** An object of events that an exporter wrote. */
export interface ArchiveObject extends BucketFile {
  /** The key without the prefix. */
  readonly path: string;
  /** `tenant=acme/`, where the exporter files by tenant; else empty. */
  readonly folder: string;
  /** `2026-07-03`. */
  readonly day: string;
  /** `2026-07-03T11`, or the day where the exporter files by day. */
  readonly partition: string;
  readonly batchId: string;
  /** The first 12 hexadecimal digits of the SHA-256 of its lines. */
  readonly hash: string;
}

const form =
  /^(tenant=[^/]+\/)?dt=(\d{4}-\d\d-\d\d)\/(?:hour=(\d\d)\/)?\d{6}_(\d{12,19})_([0-9a-f]{12})\.ndjson\.(?:gz|zst)$/;

/** Null for an object that is not an exporter's batch: the log, the probe's object, a stranger's. */
export function toArchiveObject(file: BucketFile, prefix: string): ArchiveObject | null {
  const path = file.key.slice(prefix.length);
  const match = form.exec(path);
  const batchId = readBatchId(match?.[4]);
  if (match === null || batchId === null) return null;
  const [, folder = '', day = '', hour, , hash = ''] = match;
  const partition = hour === undefined ? day : `${day}T${hour}`;
  return { ...file, path, folder, day, partition, batchId, hash };
}
