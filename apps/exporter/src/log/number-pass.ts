import type { Database } from '@auditbox/db/database/connect.ts';
import { findUnlogged } from '@auditbox/db/log/find-unlogged.ts';
import { readLogNodes } from '@auditbox/db/log/log-entries.ts';
import { type NumberedBatch, numberBatches } from '@auditbox/db/log/number-batches.ts';
import { openLog } from '@auditbox/db/log/open-log.ts';
import { formatBatchEntry, noPrevious } from '@auditbox/evidence/batch-entry.ts';
import { type GrowingTree, growTree, leafHash } from '@auditbox/evidence/merkle.ts';
import { listEdge } from '@auditbox/evidence/tree-nodes.ts';
import { crashPoint } from '@auditbox/process/crash-point.ts';
import type { Destination, DestinationError } from '../destinations/destination.ts';
import { asDescribed, type DescribedBatch, describeObject } from './describe-object.ts';

const batchesPerStatement = 128;
const readsPerBlock = 16;

export interface NumberParts {
  readonly db: Database;
  readonly destination: Destination;
  readonly destinationName: string;
  readonly origin: string;
}

/** `unlogged`: batches whose objects are not what was exported, with the reasons. */
export type NumberOutcome =
  | { readonly kind: 'numbered'; readonly batches: number; readonly unlogged: ReadonlyMap<string, string> }
  | DestinationError;

/**
 * Appends all finished batches to the log, oldest first. Batches that were exported while the log was off come last: each
 * object is read once for its hashes, until `readUntil`, by `performance.now()`.
 *
 * Where it can die: between any two statements. A batch is numbered by one statement or not at all.
 */
export async function numberPass(
  parts: NumberParts,
  { readUntil }: { readUntil: number },
  signal: AbortSignal,
): Promise<NumberOutcome> {
  const { db, destinationName: destination } = parts;
  const unlogged = new Map<string, string>();
  let batches = 0;
  for (const hashed of [true, false]) {
    while (!signal.aborted && (hashed || performance.now() < readUntil)) {
      const most = hashed ? batchesPerStatement : readsPerBlock;
      const found = await findUnlogged(db, { destination, hashed, most, without: [...unlogged.keys()] });
      if (found.length === 0) break;
      const described: DescribedBatch[] = [];
      for (const batch of found) {
        const known = asDescribed(batch);
        const description = known
          ? { kind: 'described' as const, batch: known }
          : await describeObject(parts.destination, batch, signal);
        if (description.kind === 'error') return description;
        if (description.kind === 'described') described.push(description.batch);
        else unlogged.set(batch.batchId, description.reason);
      }
      if (described.length > 0 && (await appendToLog(parts, described))) batches += described.length;
    }
  }
  return { kind: 'numbered', batches, unlogged };
}

/** A batch that the database may not know. */
type LoggableBatch = Omit<DescribedBatch, 'batchId'> & { readonly batchId: string | null };

/** Appends batches to the log. False when another exporter appended first. */
export async function appendToLog(parts: NumberParts, described: readonly LoggableBatch[]): Promise<boolean> {
  const {
    db,
    destinationName: destination,
    destination: { prefix },
    origin,
  } = parts;
  const head = await openLog(db, { destination, origin });
  const { size, now } = head;
  const tree = await continueTree(db, destination, size);
  let previous = size === 0 ? noPrevious : (await readLogNodes(db, destination, [{ level: 0, index: size - 1 }]))[0];
  const numbered: NumberedBatch[] = described.map(({ batchId, key, ...batch }) => {
    const index = tree.size;
    const entry = formatBatchEntry({
      ...batch,
      ...{ origin, index, previous: previous ?? noPrevious, logged: now },
      key: key.startsWith(prefix) ? key.slice(prefix.length) : key,
    });
    const hashes = tree.append(leafHash(Buffer.from(entry))).map((hash) => hash.toString('hex'));
    previous = hashes[0];
    return { index, batchId, entry, hashes: hashes.join('') };
  });
  crashPoint('log before the numbering');
  const moved = await numberBatches(db, { destination, size }, numbered);
  crashPoint('log after the numbering');
  return moved;
}

/** The tree of a log with `size` entries, ready to grow. */
async function continueTree(db: Database, destination: string, size: number): Promise<GrowingTree> {
  const edge = await readLogNodes(db, destination, listEdge(size));
  return growTree(
    size,
    edge.map((hash) => Buffer.from(hash, 'hex')),
  );
}
