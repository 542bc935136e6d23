import type { RenderedObject } from '@auditbox/core/export/batch.ts';
import type { LeasedDelivery } from '@auditbox/core/export/delivery.ts';
import type { ObjectContent } from '@auditbox/s3/read-content.ts';
import { mayBeOfOneObject } from '@auditbox/s3/refused-object.ts';
import type { Destination, DestinationError, ObjectLabel } from '../destinations/destination.ts';
import type { Ledger } from './ledger.ts';

/** What the destination has under the key of this batch's object. Another object is a permanent error. */
type Existing =
  /** `content` is null when it could not be read. */
  | { readonly kind: 'same'; readonly content: ObjectContent | null }
  | { readonly kind: 'missing' }
  | { readonly kind: 'lease lost' }
  | DestinationError;

/**
 * Compares by content, because a store can damage an object. When the content cannot be read (no right to the key that
 * encrypts it, an archive's storage class), label and length decide, unless the answer to the upload was doubtful.
 */
export async function compareExisting(
  { destination, ledger }: { destination: Destination; ledger: Ledger },
  delivery: LeasedDelivery,
  ours: RenderedObject,
  signal: AbortSignal,
  { isDoubtful = false } = {},
): Promise<Existing> {
  // The lease was long enough for the upload alone; these are two more requests.
  if (!(await ledger.extendLease(delivery))) return { kind: 'lease lost' };
  const head = await destination.head(ours.key, signal);
  if (head.kind !== 'found') return head;
  const rows = delivery.rowCount;
  const isLabelled = head.sha256 === ours.sha256 && head.rows === String(rows);
  const read = await destination.read(ours.key, signal);
  if (read.kind === 'read') {
    const { content } = read;
    if (content?.sha256 === ours.sha256 && content.rows === rows) return { kind: 'same', content };
    return isLabelled ? damaged(ours) : otherObject(ours, rows, head);
  }
  // Labels can be read all the same.
  if (read.kind === 'missing' || isDoubtful || !mayBeOfOneObject(read)) return read;
  if (head.sha256 === null && head.rows === null) return unknownObject(ours, read);
  if (!isLabelled) return otherObject(ours, rows, head);
  return head.objectBytes === ours.objectBytes ? { kind: 'same', content: null } : damaged(ours);
}

function damaged({ key }: RenderedObject): DestinationError {
  return permanent('DamagedObject', `The object ${key} has this batch's label, but the store kept other bytes.`);
}

/** Some gateways strip metadata. Probably it is this batch's, so a replay must look at this key again before it makes another. */
function unknownObject({ key }: RenderedObject, { message }: DestinationError): DestinationError {
  return permanent(
    'UnknownObject',
    `The object ${key} has no label and cannot be read, so it is not known whether it is this batch's. Let the exporter read it, then replay. ${message}`,
  );
}

function otherObject({ key, sha256 }: RenderedObject, rowCount: number, theirs: ObjectLabel): DestinationError {
  const difference = `sha256 ${theirs.sha256}, rows: ${theirs.rows}; expected ${sha256}, rows: ${rowCount}`;
  return permanent('OtherObject', `The key ${key} holds another object (${difference}). It is not overwritten.`);
}

function permanent(code: string, message: string): DestinationError {
  return { kind: 'error', class: 'permanent', code, message, permission: null };
}
