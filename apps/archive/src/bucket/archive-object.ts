import { cellNamePattern } from '@auditbox/core/cells/cell-list.ts';
import { readBatchId } from '@auditbox/core/export/batch-id.ts';
import type { BucketFile } from '@auditbox/s3/bucket-files.ts';

/** An object of events that an exporter wrote. */
export interface ArchiveObject extends BucketFile {
  /** The key without the prefix. */
  readonly path: string;
  /** `cell=ash/tenant=acme/`, with cells and where the exporter files by tenant; else empty. */
  readonly folder: string;
  /** The name of the cell whose exporter wrote it; empty without CELL_NAME. */
  readonly cell: string;
  /** `2026-07-03`. */
  readonly day: string;
  /** `2026-07-03T11`, or the day where the exporter files by day. */
  readonly partition: string;
  /** The time of day of its first event: `115000`. */
  readonly begin: string;
  readonly batchId: string;
  /** The first 12 hexadecimal digits of the SHA-256 of its lines. */
  readonly hash: string;
}

const form = new RegExp(
  `^((?:cell=(${cellNamePattern})/)?(?:tenant=[^/]+/)?)dt=(\\d{4}-\\d\\d-\\d\\d)/(?:hour=(\\d\\d)/)?` +
    '(\\d{6})_(\\d{12,19})_([0-9a-f]{12})\\.ndjson\\.(?:gz|zst)$',
);

/** Null for an object that is not an exporter's batch: the log, the probe's object, a stranger's. */
export function toArchiveObject(file: BucketFile, prefix: string): ArchiveObject | null {
  const path = file.key.slice(prefix.length);
  const match = form.exec(path);
  const batchId = readBatchId(match?.[6]);
  if (match === null || batchId === null) return null;
  const [, folder = '', cell = '', day = '', hour, begin = '', , hash = ''] = match;
  const partition = hour === undefined ? day : `${day}T${hour}`;
  return { ...file, path, folder, cell, day, partition, begin, batchId, hash };
}

const beginOfLine = /^\{"id":"[0-9a-f-]{36}","updated_at":"(\d{4}-\d\d-\d\d)T(\d\d):(\d\d):(\d\d)/;

/** Whether an object begins with this line: its folder and its name have the time of its first event. */
export function beginsWith({ partition, begin }: ArchiveObject, line: Buffer): boolean {
  const match = beginOfLine.exec(line.toString('latin1', 0, 100));
  // What is no event is found elsewhere.
  if (match === null) return true;
  const [, day = '', hour = '', minute = '', second = ''] = match;
  return `${day}T${hour}`.startsWith(partition) && begin === hour + minute + second;
}
