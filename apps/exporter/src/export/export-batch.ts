import type { LeasedBatch, RenderedObject } from '@auditbox/core/export/batch.ts';
import { objectKey } from '@auditbox/core/export/object-key.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { toDatabaseError } from '@auditbox/db/database/database-error.ts';
import { extendLease } from '@auditbox/db/export/extend-lease.ts';
import { findBadRows } from '@auditbox/db/export/find-bad-rows.ts';
import { quarantineRows } from '@auditbox/db/export/quarantine-rows.ts';
import { renderBatch } from '@auditbox/db/export/render-batch.ts';
import { crashPoint } from '@auditbox/process/crash-point.ts';
import type { Span } from '@auditbox/process/tracing.ts';
import type { Sink, SinkRefusal } from '../destinations/destination.ts';
import type { ExportedSizes, ExportMetrics } from '../metrics/export-metrics.ts';
import type { BatchLedger } from './batch-ledger.ts';
import { type RenderedBody, renderObject } from './render-object.ts';
import { requestsOf } from './trace-links.ts';
import { compareExisting } from './verify-stored.ts';

/** How an attempt ended. The lease is still the caller's after `refused` and `not rendered`, and he decides. */
export type ExportOutcome =
  | { readonly kind: 'done'; readonly key: string; readonly sizes: ExportedSizes }
  | { readonly kind: 'lease lost' }
  | { readonly kind: 'quarantined'; readonly rows: number; readonly reason: string }
  | { readonly kind: 'not rendered'; readonly reason: string }
  | SinkRefusal;

export interface ExportDependencies {
  readonly db: Database;
  readonly ledger: BatchLedger;
  readonly sink: Sink;
  readonly prefix: string;
  readonly leaseMs: number;
  readonly metrics: ExportMetrics;
  /** The attempt's, when it is traced. */
  readonly span?: Span | undefined;
  /** Called whenever an attempt has got on, for the liveness check. */
  readonly onProgress?: () => void;
}

const contradiction = { kind: 'refused', class: 'transient', code: 'NoObject' } as const;

/**
 * One attempt: render, write the render down, create the object, mark done. No transaction is open meanwhile.
 *
 * Where it can die:
 * - before the object is created: the lease runs out, the next attempt does the same again;
 * - after it, before the mark: the next attempt renders the same bytes, finds them under the key, and marks;
 * - stopped past its lease: another exporter did the rest; the create-only upload and the token make this one harmless.
 */
export async function exportBatch(
  deps: ExportDependencies,
  batch: LeasedBatch,
  signal: AbortSignal,
): Promise<ExportOutcome> {
  const { db, ledger, sink, prefix, metrics } = deps;
  const body = await render(deps, batch);
  if (body === 'lease lost') return { kind: 'lease lost' };
  const earlier = batch.rendered;
  if (earlier !== null && earlier.sha256 !== body?.sha256) {
    // Rendered to other bytes before: by another version, or when all rows were there. Its object may be in the bucket.
    const found = await compareExisting(deps, batch, earlier, signal);
    if (found.kind === 'same') return mark(deps, batch, { ...earlier, bytes: null });
    if (found.kind !== 'missing') return found;
  }
  if (body === null) return quarantine(db, batch);
  const { sha256 } = body;
  const { partition, firstOccurredAt, lastOccurredAt, id: batchId } = batch;
  const key =
    earlier?.sha256 === sha256 ? earlier.key : objectKey({ prefix, partition, firstOccurredAt, batchId, sha256 });
  const rendered = { key, sha256, bytes: body.bytes, objectBytes: body.body.length };
  if (!(await ledger.recordRender({ batch, rendered }))) return { kind: 'lease lost' };
  if (earlier !== null) {
    // An earlier attempt may have got through. If-None-Match would say so too, but not every store heeds it: Ceph's
    // gateway does not in a bucket that keeps versions, as one with Object Lock must. A refusal here the PUT will show.
    const found = await compareExisting(deps, batch, rendered, signal);
    if (found.kind === 'same') return mark(deps, batch, rendered);
    if (found.kind === 'lease lost') return found;
  }

  const { leasedAt: storedAt } = batch;
  const object = { key, sha256, body: body.body, rows: body.rows, firstOccurredAt, lastOccurredAt, storedAt };
  crashPoint('exporter before the upload');
  const upload = await beginUpload(deps, batch, rendered);
  const put = await metrics.timed('upload', () => sink.put(object, signal));
  upload?.end(put.kind === 'refused' ? { failure: put.code } : { attributes: { 'auditbox.outcome': put.kind } });
  crashPoint('exporter after the upload');
  if (put.kind === 'refused') return put;
  if (put.kind !== 'stored') {
    const found = await compareExisting(deps, batch, rendered, signal, { isDoubtful: put.kind === 'doubtful' });
    if (found.kind === 'missing')
      return { ...contradiction, message: `The store says both that ${key} exists and not.` };
    if (found.kind !== 'same') return found;
  }
  return mark(deps, batch, rendered);
}

/** The upload's span, linked to the requests that brought the batch's events; undefined when nothing is traced. */
async function beginUpload({ db, span }: ExportDependencies, batch: LeasedBatch, { key, objectBytes }: RenderedObject) {
  if (span === undefined) return undefined;
  const about = { 'auditbox.object_key': key, 'auditbox.object_bytes': objectBytes };
  return span.child('upload', about, await requestsOf(db, batch));
}

/** The body of all rows; null when some row has no line or its data cannot be rendered. */
async function render(deps: ExportDependencies, batch: LeasedBatch): Promise<RenderedBody | null | 'lease lost'> {
  const lease = { held: true };
  try {
    const body = await renderObject(whileLeased(deps, batch, lease));
    if (!lease.held) return 'lease lost';
    deps.metrics.took('render', body.renderMs / 1000);
    deps.metrics.took('compress', body.compressMs / 1000);
    return body.rows === batch.rowCount ? body : null;
  } catch (error) {
    const fault = toDatabaseError(error);
    if (fault === null || fault.kind !== 'data') throw error;
    return null;
  }
}

/** The batch's chunks; a render that takes long keeps its lease, and ends early when that is lost. */
async function* whileLeased(
  { db, leaseMs, onProgress }: ExportDependencies,
  batch: LeasedBatch,
  lease: { held: boolean },
) {
  let extendedAt = performance.now();
  for await (const chunk of renderBatch(db, batch.id)) {
    yield chunk;
    onProgress?.();
    crashPoint('exporter while rendering');
    if (performance.now() - extendedAt < leaseMs / 3) continue;
    lease.held = await extendLease(db, batch, leaseMs);
    if (!lease.held) return;
    extendedAt = performance.now();
  }
}

async function quarantine(db: Database, batch: LeasedBatch): Promise<ExportOutcome> {
  const bad = await findBadRows(db, batch.id);
  const [first] = bad;
  if (first === undefined) return { kind: 'not rendered', reason: 'Fewer rows came than the batch has.' };
  const held = await quarantineRows(db, batch, bad);
  return held ? { kind: 'quarantined', rows: bad.length, reason: first.reason } : { kind: 'lease lost' };
}

async function mark(
  { ledger, metrics }: ExportDependencies,
  batch: LeasedBatch,
  { key, ...sizes }: { readonly key: string } & ExportedSizes,
): Promise<ExportOutcome> {
  const held = await metrics.timed('mark', () => ledger.markDone(batch));
  crashPoint('exporter after the mark');
  return held ? { kind: 'done', key, sizes } : { kind: 'lease lost' };
}
