import type { LoggedHashes, RenderedObject } from '@auditbox/core/export/batch.ts';
import type { LeasedDelivery } from '@auditbox/core/export/delivery.ts';
import { objectKey } from '@auditbox/core/export/object-key.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { findBadRows } from '@auditbox/db/export/find-bad-rows.ts';
import { crashPoint } from '@auditbox/process/crash-point.ts';
import type { Span } from '@auditbox/process/tracing.ts';
import type { ObjectContent } from '@auditbox/s3/read-content.ts';
import type { Destination, DestinationError } from '../destinations/destination.ts';
import type { ExportedSizes } from '../metrics/export-metrics.ts';
import { compareExisting } from './compare-existing.ts';
import { type RenderParts, renderDelivery } from './render.ts';
import { tenantFolder } from './tenant-folder.ts';
import { findTraceLinks } from './trace-links.ts';

/** How an attempt ended. After an error, `not encoded` and `interrupted` the caller still holds the lease. */
export type ExportOutcome =
  | { readonly kind: 'done'; readonly key: string; readonly sizes: ExportedSizes }
  | { readonly kind: 'lease lost' }
  | { readonly kind: 'interrupted' }
  | { readonly kind: 'rejected'; readonly rows: number; readonly reason: string }
  | { readonly kind: 'not encoded'; readonly reason: string }
  | DestinationError;

/** What an attempt works with. */
export interface ExportParts extends RenderParts {
  readonly destination: Destination;
}

/**
 * One attempt: encode the rows, record the object, create it, mark the delivery done. No transaction is open during a request
 * to the destination.
 *
 * Where it can die:
 * - before the object is created: the lease expires, the next attempt does the same again;
 * - after it, before the mark: the next attempt encodes the same bytes, finds them under the key, and marks the delivery;
 * - stopped past its lease: another exporter did the work; create-only upload and lease token make this attempt harmless.
 *
 * Throws DatabaseError.
 */
export async function exportBatch(
  parts: ExportParts,
  delivery: LeasedDelivery,
  signal: AbortSignal,
  span: Span | null = null,
): Promise<ExportOutcome> {
  const { db, destination, ledger, metrics } = parts;
  const rendered = await renderDelivery(parts, delivery, signal);
  if (rendered.kind === 'lease lost' || rendered.kind === 'interrupted') return rendered;
  const encoded = rendered.kind === 'encoded' ? rendered.body : null;
  const earlier = delivery.rendered;
  if (earlier !== null && earlier.sha256 !== encoded?.sha256) {
    // An earlier attempt encoded other bytes: it ran another version, or had all rows. Its object may be in the bucket.
    const existing = await compareExisting(parts, delivery, earlier, signal);
    if (existing.kind === 'same') return markFound(parts, delivery, { ...earlier, ...unknownHashes }, existing.content);
    if (existing.kind !== 'missing') return existing;
  }
  if (encoded === null) return reject(parts, delivery);
  const { body, sha256, ndjsonBytes, compression, linesRoot, objectSha256 } = encoded;
  const { partition, tenant, rowCount: rows, firstOccurredAt, lastOccurredAt, batchId, leasedAt: storedAt } = delivery;
  const prefix = `${destination.prefix}${tenantFolder(tenant)}`;
  const keyParts = { prefix, partition, firstOccurredAt, batchId, sha256, compression };
  const key = earlier?.sha256 === sha256 ? earlier.key : objectKey(keyParts);
  const ours = { key, sha256, ndjsonBytes, objectBytes: body.length, linesRoot, objectSha256 };
  if (!(await ledger.recordObject(delivery, ours))) return { kind: 'lease lost' };
  if (earlier !== null) {
    // An earlier attempt may have created the object. If-None-Match would report that too, but not every store honours
    // it: Ceph's gateway ignores it in a bucket with versions, which Object Lock needs. An error here returns at the PUT.
    const existing = await compareExisting(parts, delivery, ours, signal);
    if (existing.kind === 'same') return markFound(parts, delivery, ours, existing.content);
    if (existing.kind === 'lease lost') return existing;
  }
  crashPoint('exporter before the upload');
  const upload = span && (await beginUpload(db, span, delivery, ours));
  const object = { key, sha256, body, compression, rows, firstOccurredAt, lastOccurredAt, linesRoot, storedAt };
  const put = await metrics.timed('upload', () => destination.put(object, signal));
  upload?.end(put.kind === 'error' ? { failure: put.code } : { attributes: { 'auditbox.outcome': put.kind } });
  crashPoint('exporter after the upload');
  if (put.kind === 'error') return put;
  if (put.kind !== 'stored') {
    const existing = await compareExisting(parts, delivery, ours, signal, { isDoubtful: put.kind === 'doubtful' });
    if (existing.kind === 'missing') return contradiction(key);
    if (existing.kind !== 'same') return existing;
    return markFound(parts, delivery, ours, existing.content);
  }
  return mark(parts, delivery, ours);
}

async function reject({ db, ledger }: ExportParts, delivery: LeasedDelivery): Promise<ExportOutcome> {
  const bad = await findBadRows(db, delivery);
  const [first] = bad;
  if (first === undefined) return { kind: 'not encoded', reason: 'Postgres returned fewer rows than the batch has.' };
  const held = await ledger.reject(delivery, bad);
  return held ? { kind: 'rejected', rows: bad.length, reason: first.reason } : { kind: 'lease lost' };
}

/** The log reads the object for them. */
const unknownHashes: LoggedHashes & { ndjsonBytes: null } = { linesRoot: null, objectSha256: null, ndjsonBytes: null };

/**
 * Marks a delivery whose object an earlier attempt created. Another version of the compressor may have made other bytes of the
 * same lines, and the log must say what is in the bucket. So what was read is recorded.
 */
async function markFound(
  parts: ExportParts,
  delivery: LeasedDelivery,
  object: RenderedObject & LoggedHashes & { readonly ndjsonBytes: number | null },
  content: ObjectContent | null,
): Promise<ExportOutcome> {
  const isKnown = content === null || content.objectSha256 === object.objectSha256;
  if (parts.isLogged && !isKnown) {
    const { ndjsonBytes, objectBytes, objectSha256 } = content;
    const found = { ...object, ndjsonBytes, objectBytes, objectSha256 };
    if (!(await parts.ledger.recordObject(delivery, found))) return { kind: 'lease lost' };
  }
  return mark(parts, delivery, object);
}

async function mark(
  { ledger, metrics }: ExportParts,
  delivery: LeasedDelivery,
  { key, ndjsonBytes, objectBytes }: { readonly key: string } & ExportedSizes,
): Promise<ExportOutcome> {
  const held = await metrics.timed('mark', () => ledger.markDone(delivery));
  crashPoint('exporter after the mark');
  return held ? { kind: 'done', key, sizes: { ndjsonBytes, objectBytes } } : { kind: 'lease lost' };
}

/** The upload's span, linked to the requests that wrote the batch's events. */
async function beginUpload(db: Database, span: Span, delivery: LeasedDelivery, { key, objectBytes }: RenderedObject) {
  const attributes = { 'auditbox.object_key': key, 'auditbox.object_bytes': objectBytes };
  return span.child('upload', attributes, await findTraceLinks(db, delivery));
}

function contradiction(key: string): DestinationError {
  const message = `The store reports ${key} as existing for a PUT and as missing for a HEAD.`;
  return { kind: 'error', class: 'transient', code: 'NoObject', message, permission: null };
}
