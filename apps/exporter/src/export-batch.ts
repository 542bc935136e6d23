import type { LeasedBatch, RenderedObject } from '@auditbox/core/batch.ts';
import { objectKey } from '@auditbox/core/object-key.ts';
import type { Database } from '@auditbox/db/connect.ts';
import { databaseFault, isPassingFault } from '@auditbox/db/database-error.ts';
import { findBadRows } from '@auditbox/db/export/find-bad-rows.ts';
import { markDone } from '@auditbox/db/export/mark-done.ts';
import { quarantineRows } from '@auditbox/db/export/quarantine-rows.ts';
import { recordRender } from '@auditbox/db/export/record-render.ts';
import { renderBatch } from '@auditbox/db/export/render-batch.ts';
import { type RenderedBody, renderObject } from './render-object.ts';
import type { Sink, SinkRefusal } from './sink/sink.ts';

/** How an attempt ended. Only `refused` leaves the lease with the caller, who knows what to do about the refusal. */
export type ExportOutcome =
  | { readonly kind: 'done'; readonly key: string; readonly bytes: number; readonly objectBytes: number }
  | { readonly kind: 'lease lost' }
  | { readonly kind: 'quarantined'; readonly rows: number; readonly reason: string }
  | SinkRefusal;

export interface ExportDependencies {
  readonly db: Database;
  readonly sink: Sink;
  readonly prefix: string;
  readonly leaseMs: number;
}

/**
 * One attempt: render, write the render down, create the object, mark done. No transaction is open meanwhile.
 *
 * Where it can die:
 * - before the object is created: the lease runs out, the next attempt does the same again;
 * - after it, before the mark: the next attempt renders the same bytes, is told that the key exists, finds the same
 *   hash and row count there, and marks;
 * - stopped past its lease: another exporter did the rest; the create-only upload and the token make this one harmless.
 */
export async function exportBatch(
  { db, sink, prefix, leaseMs }: ExportDependencies,
  batch: LeasedBatch,
  signal: AbortSignal,
): Promise<ExportOutcome> {
  const body = await render(db, batch);
  if ('kind' in body) return body;
  const earlier = batch.rendered;
  if (earlier !== null && earlier.sha256 !== body.sha256) {
    // Rendered by a version that wrote other bytes. If its object is there, it is the batch's.
    const found = await compareExisting(sink, earlier, batch.rowCount, signal);
    if (found.kind !== 'missing') return found.kind === 'same' ? mark(db, batch, earlier.key, body) : found;
  }
  const { sha256 } = body;
  const { partition, firstOccurredAt, lastOccurredAt, id: batchId } = batch;
  const key =
    earlier?.sha256 === sha256 ? earlier.key : objectKey({ prefix, partition, firstOccurredAt, batchId, sha256 });
  const rendered = { key, sha256, bytes: body.bytes, objectBytes: body.body.length };
  if (!(await recordRender(db, batch, rendered, leaseMs))) return { kind: 'lease lost' };

  const put = await sink.put(
    { key, sha256, body: body.body, rows: body.rows, firstOccurredAt, lastOccurredAt },
    signal,
  );
  if (put.kind === 'refused') return put;
  if (put.kind === 'exists') {
    const found = await compareExisting(sink, { key, sha256 }, batch.rowCount, signal);
    if (found.kind === 'missing')
      return transient('NoObject', `The store says that ${key} exists, and that it does not.`);
    if (found.kind === 'refused') return found;
  }
  return mark(db, batch, key, body);
}

/** The body, or how the attempt ended because Postgres could not render some row. */
async function render(db: Database, batch: LeasedBatch): Promise<RenderedBody | ExportOutcome> {
  let body: RenderedBody | null = null;
  let why = '';
  try {
    body = await renderObject(renderBatch(db, batch.id));
  } catch (error) {
    const fault = databaseFault(error);
    if (fault === null || isPassingFault(fault)) throw error;
    why = fault.message;
  }
  if (body?.rows === batch.rowCount) return body;
  const bad = await findBadRows(db, batch.id);
  const reason = bad[0]?.reason ?? `${body?.rows ?? 0} of ${batch.rowCount} rows could be rendered. ${why}`;
  if (bad.length === 0 || batch.rendered !== null) return permanent('RenderFailed', reason);
  const held = await quarantineRows(db, batch, bad);
  return held ? { kind: 'quarantined', rows: bad.length, reason } : { kind: 'lease lost' };
}

/** What stands under a key that this batch's object should have: the same object, none, or somebody else's. */
async function compareExisting(
  sink: Sink,
  { key, sha256 }: RenderedObject,
  rowCount: number,
  signal: AbortSignal,
): Promise<{ kind: 'same' } | { kind: 'missing' } | SinkRefusal> {
  const head = await sink.head(key, signal);
  if (head.kind !== 'found') return head;
  if (head.sha256 === sha256 && head.rows === String(rowCount)) return { kind: 'same' };
  return permanent(
    'OtherObject',
    `The key ${key} holds another object (sha256 ${head.sha256}, ${head.rows} rows; ours ${sha256}, ${rowCount}); it is never overwritten.`,
  );
}

async function mark(
  db: Database,
  batch: LeasedBatch,
  key: string,
  { bytes, body }: RenderedBody,
): Promise<ExportOutcome> {
  const held = await markDone(db, batch);
  return held ? { kind: 'done', key, bytes, objectBytes: body.length } : { kind: 'lease lost' };
}

function permanent(code: string, message: string): SinkRefusal {
  return { kind: 'refused', class: 'permanent', code, message };
}

function transient(code: string, message: string): SinkRefusal {
  return { kind: 'refused', class: 'transient', code, message };
}
