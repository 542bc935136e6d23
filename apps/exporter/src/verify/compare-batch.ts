import { createHash } from 'node:crypto';
import { objectMembers } from '@auditbox/core/json/json-text.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { copyBatchLines } from '@auditbox/db/export/copy-batch-lines.ts';
import type { DoneDelivery } from '@auditbox/db/export/done-delivery.ts';
import type { Destination, DestinationError } from '../destinations/destination.ts';
import { type Difference, difference } from './difference.ts';
import { isRefusedAlone } from './is-refused-alone.ts';

export type Comparison = { readonly kind: 'compared'; readonly differences: readonly Difference[] } | DestinationError;

interface Parts {
  readonly db: Database;
  readonly destination: Destination;
}

/** Compares the object of a delivery with what was recorded, and with the rows of the database, byte by byte. */
export async function compareBatch(parts: Parts, delivery: DoneDelivery, signal: AbortSignal): Promise<Comparison> {
  const { key, sha256, batchId } = delivery;
  const read = await parts.destination.read(key, signal);
  if (read.kind === 'error') return unreadOr(parts.destination, read, key, signal);
  if (read.kind === 'missing')
    return compared(difference('object-missing', key, `Batch ${batchId} is done, and its object is missing.`));
  const { content } = read;
  if (content === null) return compared(difference('object-changed', key, 'The object cannot be decompressed.'));
  if (content.sha256 !== sha256)
    return compared(
      difference('object-changed', key, `The object has the sha256 ${content.sha256}; expected ${sha256}.`),
    );
  return compareRows(parts, delivery, signal);
}

/** Compares the rows of the database with the object, whose hash is the recorded one. */
export async function compareRows(parts: Parts, delivery: DoneDelivery, signal: AbortSignal): Promise<Comparison> {
  if ((await hashRows(parts.db, delivery, signal)) === delivery.sha256) return compared();
  return compareLines(parts, delivery, signal);
}

async function hashRows(db: Database, delivery: DoneDelivery, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  await copyBatchLines(db, delivery, (chunk) => void hash.update(chunk), signal);
  return hash.digest('hex');
}

/**
 * Names each row that differs. A line that an earlier version wrote has fewer fields than a line of now, so the fields of
 * the archived line decide. Memory holds the lines of one batch.
 */
async function compareLines(parts: Parts, delivery: DoneDelivery, signal: AbortSignal): Promise<Comparison> {
  const { key } = delivery;
  const rows = createLineMap();
  await copyBatchLines(parts.db, delivery, rows.add, signal);
  const lines = createLineMap();
  const read = await parts.destination.read(key, signal, lines.add);
  if (read.kind === 'error') return unreadOr(parts.destination, read, key, signal);
  const differences: Difference[] = [];
  for (const [id, line] of lines.byId) {
    const row = rows.byId.get(id);
    rows.byId.delete(id);
    if (row === undefined)
      differences.push(difference('row-not-in-database', id, `The event is in ${key} and not in the database.`));
    else if (row !== line) {
      const fields = differingFields(line, row);
      if (fields.length > 0)
        differences.push(difference('row-differs', id, `${fields.join(', ')} differ from the line in ${key}.`));
    }
  }
  for (const id of rows.byId.keys())
    differences.push(difference('row-not-in-object', id, `The event is in the database and not in ${key}.`));
  return { kind: 'compared', differences };
}

/** The fields of the archived line that the row does not have with the same text. */
function differingFields(line: string, row: string): string[] {
  const ours = new Map(objectMembers(row).map(({ name, value }) => [name, row.slice(value.start, value.end)]));
  return objectMembers(line)
    .filter(({ name, value }) => ours.get(name) !== line.slice(value.start, value.end))
    .map(({ name }) => name);
}

function createLineMap() {
  const byId = new Map<string, string>();
  let open = '';
  const decoder = new TextDecoder();
  return {
    byId,
    add(chunk: Buffer): void {
      const lines = (open + decoder.decode(chunk, { stream: true })).split('\n');
      open = lines.pop() ?? '';
      for (const line of lines) byId.set(/^\{"id":"([^"]*)"/.exec(line)?.[1] ?? line, line);
    },
  };
}

/** An object that the store does not hand out says nothing about the others. */
async function unreadOr(
  destination: Destination,
  error: DestinationError,
  key: string,
  signal: AbortSignal,
): Promise<Comparison> {
  if (await isRefusedAlone(destination, error, signal))
    return compared(difference('object-unread', key, error.message));
  return { ...error, message: `The object ${key} cannot be read. ${error.message}` };
}

function compared(...differences: Difference[]): Comparison {
  return { kind: 'compared', differences };
}
