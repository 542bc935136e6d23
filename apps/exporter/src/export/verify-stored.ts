import type { LeasedBatch, RenderedObject } from '@auditbox/core/export/batch.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { extendLease } from '@auditbox/db/export/extend-lease.ts';
import type { ObjectLabel, Sink, SinkRefusal } from '../destinations/destination.ts';

interface CompareDependencies {
  readonly db: Database;
  readonly sink: Sink;
  readonly leaseMs: number;
}

/** What stands under a key that this batch's object should have: the same object, none, or another one. */
type Found = { readonly kind: 'same' } | { readonly kind: 'missing' } | { readonly kind: 'lease lost' } | SinkRefusal;

/**
 * By what the object holds: a store can damage what it keeps. Where it may not be read (no right to the key that
 * encrypts it, an archive's storage class), its label and length must do, unless the store's answer was doubtful.
 */
export async function compareExisting(
  { db, sink, leaseMs }: CompareDependencies,
  batch: LeasedBatch,
  ours: RenderedObject,
  signal: AbortSignal,
  { isDoubtful = false } = {},
): Promise<Found> {
  // Two more requests than the lease was taken for.
  if (!(await extendLease(db, batch, leaseMs))) return { kind: 'lease lost' };
  const head = await sink.head(ours.key, signal);
  if (head.kind !== 'found') return head;
  const rows = batch.rowCount;
  const isLabelled = head.sha256 === ours.sha256 && head.rows === String(rows);
  const read = await sink.read(ours.key, signal);
  if (read.kind === 'read') {
    const { content } = read;
    if (content?.sha256 === ours.sha256 && content.rows === rows) return { kind: 'same' };
    return isLabelled ? damaged(ours) : otherObject(ours, rows, head);
  }
  if (read.kind === 'missing' || isDoubtful || !isUnreadable(read)) return read;
  if (!isLabelled) return otherObject(ours, rows, head);
  return head.objectBytes === ours.objectBytes ? { kind: 'same' } : damaged(ours);
}

/** The bucket takes objects and shows their labels, but not what they hold. */
function isUnreadable({ code }: SinkRefusal): boolean {
  return code === 'AccessDenied' || code === 'InvalidObjectState' || code.startsWith('KMS.');
}

function damaged({ key }: RenderedObject): SinkRefusal {
  return permanent('DamagedObject', `The key ${key} is labelled as ours, but the store kept other bytes.`);
}

function otherObject({ key, sha256 }: RenderedObject, rowCount: number, theirs: ObjectLabel): SinkRefusal {
  const difference = `sha256 ${theirs.sha256}, ${theirs.rows} rows; ours ${sha256}, ${rowCount} rows`;
  return permanent('OtherObject', `The key ${key} holds another object (${difference}); it stays.`);
}

function permanent(code: string, message: string): SinkRefusal {
  return { kind: 'refused', class: 'permanent', code, message };
}
