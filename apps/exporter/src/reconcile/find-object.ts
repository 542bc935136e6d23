import { readBatchId } from '@auditbox/core/export/batch-id.ts';
import type { FoundObject } from '@auditbox/db/log/adopt-batch.ts';
import { createLineTree } from '@auditbox/evidence/line-tree.ts';
import type { Destination, DestinationError } from '../destinations/destination.ts';

export type FindOutcome =
  | { readonly kind: 'found'; readonly object: FoundObject }
  /** Its key or its content is not an exporter's. */
  | { readonly kind: 'foreign' }
  | { readonly kind: 'missing' }
  | DestinationError;

const eventBegin = /^\{"id":"([0-9a-f-]{36})"/;
const eventBeginBytes = 60;

/** Reads an object of the bucket whole, with the ids of its events. */
export async function findObject(destination: Destination, key: string, signal: AbortSignal): Promise<FindOutcome> {
  const name = /dt=(\d{4}-\d\d-\d\d)\/(?:hour=(\d\d)\/)?\d{6}_(\d{12,19})_([0-9a-f]{12})\.ndjson\.(?:gz|zst)$/.exec(
    key,
  );
  const batchId = readBatchId(name?.[3]);
  if (name === null || batchId === null) return { kind: 'foreign' };
  const [, day = '', hour, , hash = ''] = name;
  const ids: string[] = [];
  const tree = createLineTree((line) => {
    const [, id = ''] = eventBegin.exec(line.toString('latin1', 0, eventBeginBytes)) ?? [];
    ids.push(id);
  });
  const read = await destination.read(key, signal, tree.add);
  if (read.kind !== 'read') return read;
  const { content } = read;
  if (content === null || !content.sha256.startsWith(hash) || ids.includes('')) return { kind: 'foreign' };
  const { sha256, ndjsonBytes: bytes, objectBytes, objectSha256 } = content;
  const partition = hour === undefined ? day : `${day}T${hour}`;
  return {
    kind: 'found',
    object: { key, batchId, partition, ids, sha256, bytes, objectBytes, objectSha256, lines: tree.root() },
  };
}
