import type { LeasedBatch, RenderedObject } from '@auditbox/core/export/batch.ts';
import { objectKey } from '@auditbox/core/export/object-key.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import { findBadRows } from '@auditbox/db/export/find-bad-rows.ts';
import { renderBatch } from '@auditbox/db/export/render-batch.ts';
import { crashPoint } from '@auditbox/process/crash-point.ts';
import type { Span } from '@auditbox/process/tracing.ts';
import type { Destination, DestinationError } from '../destinations/destination.ts';
import type { ExportedSizes, ExportMetrics } from '../metrics/export-metrics.ts';
import { compareExisting } from './compare-existing.ts';
import { type EncodedBody, encodeLines } from './encode.ts';
import type { Ledger } from './ledger.ts';
import { findTraceLinks } from './trace-links.ts';

/** How an attempt ended. After an error and `not encoded` the caller still holds the lease. */
export type ExportOutcome =
  | { readonly kind: 'done'; readonly key: string; readonly sizes: ExportedSizes }
  | { readonly kind: 'lease lost' }
  | { readonly kind: 'quarantined'; readonly rows: number; readonly reason: string }
  | { readonly kind: 'not encoded'; readonly reason: string }
  | DestinationError;

/** What an attempt works with. */
export interface ExportParts {
  readonly db: Database;
  readonly destination: Destination;
  readonly ledger: Ledger;
  readonly metrics: ExportMetrics;
  /** Called whenever an attempt has made progress, for the liveness check. */
  readonly onProgress?: () => void;
}

/**
 * One attempt: encode the rows, record the object, create it, mark the batch done. No transaction is open during a request
 * to the destination.
 *
 * Where it can die:
 * - before the object is created: the lease expires, the next attempt does the same again;
 * - after it, before the mark: the next attempt encodes the same bytes, finds them under the key, and marks the batch;
 * - stopped past its lease: another exporter did the work; create-only upload and lease token make this attempt harmless.
 *
 * Throws DatabaseError.
 */
export async function exportBatch(
  parts: ExportParts,
  batch: LeasedBatch,
  signal: AbortSignal,
  span: Span | null = null,
): Promise<ExportOutcome> {
  const { db, destination, ledger, metrics } = parts;
  const encoded = await encodeBatch(parts, batch);
  if (encoded === 'lease lost') return { kind: 'lease lost' };
  const earlier = batch.rendered;
  if (earlier !== null && earlier.sha256 !== encoded?.sha256) {
    // An earlier attempt encoded other bytes: it ran another version, or had all rows. Its object may be in the bucket.
    const existing = await compareExisting(parts, batch, earlier, signal);
    if (existing.kind === 'same') return mark(parts, batch, { ...earlier, ndjsonBytes: null });
    if (existing.kind !== 'missing') return existing;
  }
  if (encoded === null) return quarantine(parts, batch);
  const { body, sha256, rows, ndjsonBytes } = encoded;
  const { partition, firstOccurredAt, lastOccurredAt, id: batchId, leasedAt: storedAt } = batch;
  const { prefix } = destination;
  const key =
    earlier?.sha256 === sha256 ? earlier.key : objectKey({ prefix, partition, firstOccurredAt, batchId, sha256 });
  const ours = { key, sha256, ndjsonBytes, objectBytes: body.length };
  if (!(await ledger.recordObject(batch, ours))) return { kind: 'lease lost' };
  if (earlier !== null) {
    // An earlier attempt may have created the object. If-None-Match would report that too, but not every store honours
    // it: Ceph's gateway ignores it in a bucket with versions, which Object Lock needs. An error here returns at the PUT.
    const existing = await compareExisting(parts, batch, ours, signal);
    if (existing.kind === 'same') return mark(parts, batch, ours);
    if (existing.kind === 'lease lost') return existing;
  }
  crashPoint('exporter before the upload');
  const upload = span && (await beginUpload(db, span, batch, ours));
  const object = { key, sha256, body, rows, firstOccurredAt, lastOccurredAt, storedAt };
  const put = await metrics.timed('upload', () => destination.put(object, signal));
  upload?.end(put.kind === 'error' ? { failure: put.code } : { attributes: { 'auditbox.outcome': put.kind } });
  crashPoint('exporter after the upload');
  if (put.kind === 'error') return put;
  if (put.kind !== 'stored') {
    const existing = await compareExisting(parts, batch, ours, signal, { isDoubtful: put.kind === 'doubtful' });
    if (existing.kind === 'missing') return contradiction(key);
    if (existing.kind !== 'same') return existing;
  }
  return mark(parts, batch, ours);
}

/** The body of all rows; null when some row has no line, or data that Postgres cannot read. */
async function encodeBatch(parts: ExportParts, batch: LeasedBatch): Promise<EncodedBody | null | 'lease lost'> {
  const { metrics } = parts;
  const lease = { held: true };
  try {
    const encoded = await encodeLines(readWhileLeased(parts, batch, lease));
    if (!lease.held) return 'lease lost';
    metrics.took('render', encoded.renderMs / 1000);
    metrics.took('compress', encoded.compressMs / 1000);
    return encoded.rows === batch.rowCount ? encoded : null;
  } catch (error) {
    if (error instanceof DatabaseError && error.kind === 'data') return null;
    throw error;
  }
}

/** The batch's lines in chunks. A slow read extends its lease, and ends early when the lease is lost. */
async function* readWhileLeased({ db, ledger, onProgress }: ExportParts, batch: LeasedBatch, lease: { held: boolean }) {
  let extendedAt = performance.now();
  for await (const chunk of renderBatch(db, batch.id)) {
    yield chunk;
    onProgress?.();
    crashPoint('exporter while rendering');
    if (performance.now() - extendedAt < ledger.leaseMs / 3) continue;
    lease.held = await ledger.extendLease(batch);
    if (!lease.held) return;
    extendedAt = performance.now();
  }
}

async function quarantine({ db, ledger }: ExportParts, batch: LeasedBatch): Promise<ExportOutcome> {
  const bad = await findBadRows(db, batch.id);
  const [first] = bad;
  if (first === undefined) return { kind: 'not encoded', reason: 'Postgres returned fewer rows than the batch has.' };
  const held = await ledger.quarantine(batch, bad);
  return held ? { kind: 'quarantined', rows: bad.length, reason: first.reason } : { kind: 'lease lost' };
}

async function mark(
  { ledger, metrics }: ExportParts,
  batch: LeasedBatch,
  { key, ndjsonBytes, objectBytes }: { readonly key: string } & ExportedSizes,
): Promise<ExportOutcome> {
  const held = await metrics.timed('mark', () => ledger.markDone(batch));
  crashPoint('exporter after the mark');
  return held ? { kind: 'done', key, sizes: { ndjsonBytes, objectBytes } } : { kind: 'lease lost' };
}

/** The upload's span, linked to the requests that wrote the batch's events. */
async function beginUpload(db: Database, span: Span, batch: LeasedBatch, { key, objectBytes }: RenderedObject) {
  const attributes = { 'auditbox.object_key': key, 'auditbox.object_bytes': objectBytes };
  return span.child('upload', attributes, await findTraceLinks(db, batch));
}

function contradiction(key: string): DestinationError {
  const message = `The store reports ${key} as existing for a PUT and as missing for a HEAD.`;
  return { kind: 'error', class: 'transient', code: 'NoObject', message, permission: null };
}
