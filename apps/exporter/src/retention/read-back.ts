import { counted } from '@auditbox/core/text/counted.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import type { DoneDelivery } from '@auditbox/db/export/done-delivery.ts';
import { type ExpiredMonth, listArchivedObjects } from '@auditbox/db/months/expired-months.ts';
import type { Destination, DestinationError } from '../destinations/destination.ts';
import { tryAgain } from '../destinations/try-again.ts';
import { compareRows } from '../verify/compare-batch.ts';
import { isRefusedAlone } from '../verify/is-refused-alone.ts';

/** What the bucket has of a month. `different` names the first object that is missing or has other content. */
export type ReadBack =
  | { readonly kind: 'same'; readonly objects: number; readonly rows: number }
  | { readonly kind: 'different'; readonly objects: number; readonly reason: string }
  | { readonly kind: 'stopped' }
  | DestinationError;

interface Parts {
  readonly db: Database;
  readonly destination: Destination;
  readonly destinationName: string;
  /** Objects that are read at once. */
  readonly concurrency: number;
  readonly onProgress: (objects: number) => void;
}

const objectsPerPage = 500;

/**
 * Reads all objects of a month whole, and compares hash and rows with what was recorded before the uploads, and with the rows of
 * the database that will go.
 */
export async function readBackMonth(parts: Parts, month: ExpiredMonth, signal: AbortSignal): Promise<ReadBack> {
  let objects = 0;
  let rows = 0;
  let behind = '0';
  for (;;) {
    const page = await listArchivedObjects(parts.db, month, {
      destination: parts.destinationName,
      behind,
      most: objectsPerPage,
    });
    const last = page.at(-1);
    if (last === undefined) return { kind: 'same', objects, rows };
    behind = last.batchId;
    for (let from = 0; from < page.length; from += parts.concurrency) {
      const some = page.slice(from, from + parts.concurrency);
      const problems = await Promise.all(some.map((object) => compare(parts, object, signal)));
      if (signal.aborted) return { kind: 'stopped' };
      const problem = problems.find((found) => found !== null);
      objects += some.length;
      if (typeof problem === 'string') return { kind: 'different', objects, reason: problem };
      if (problem) return problem;
      rows += some.reduce((sum, object) => sum + object.rowCount, 0);
      parts.onProgress(objects);
    }
  }
}

/** Null if the object is what was recorded; otherwise a sentence, or why it could not be read. */
async function compare(
  parts: Parts,
  delivery: DoneDelivery,
  signal: AbortSignal,
): Promise<string | DestinationError | null> {
  const { key, batchId, sha256, rowCount: rows } = delivery;
  // A delivery that names another batch's object would pass the comparison below.
  if (!key.includes(`_${batchId.padStart(12, '0')}_${sha256.slice(0, 12)}.`))
    return `The key ${key} is not of batch ${batchId} and its hash.`;
  const read = await tryAgain(() => parts.destination.read(key, signal), signal);
  if (read.kind === 'missing') return `The object ${key} is missing.`;
  if (read.kind === 'error') {
    const says = `The object ${key} cannot be read back. ${read.message}`;
    return (await isRefusedAlone(parts.destination, read, signal)) ? says : { ...read, message: says };
  }
  const { content } = read;
  if (content === null) return `The object ${key} cannot be decompressed.`;
  if (content.sha256 !== sha256 || content.rows !== rows)
    return `The object ${key} has ${counted(content.rows, 'row')} and the sha256 ${content.sha256}; expected ${counted(rows, 'row')} and ${sha256}.`;
  const compared = await tryAgain(() => compareRows(parts, delivery, signal), signal);
  if (compared.kind === 'error') return compared;
  const [first] = compared.differences;
  if (first?.code === 'object-unread') return `The object ${key} cannot be read back. ${first.says}`;
  return first === undefined ? null : `The row ${first.what} is not what was archived: ${first.says}`;
}
