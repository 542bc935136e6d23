import type { Database } from '@auditbox/db/database/connect.ts';
import { readLogEntries, readLogNodes } from '@auditbox/db/log/log-entries.ts';
import { parseBatchEntry } from '@auditbox/evidence/batch-entry.ts';
import { formatEventProof } from '@auditbox/evidence/event-proof.ts';
import { proveInclusionFrom } from '@auditbox/evidence/proofs.ts';
import { createProvableLines } from '@auditbox/evidence/provable-lines.ts';
import type { Destination } from '../destinations/destination.ts';

/** An event as it was archived, and its proof. */
interface ProvenEvent {
  readonly id: string;
  /** Without its newline. */
  readonly line: Buffer;
  readonly proof: string;
}

/** `failed`: a sentence. */
export type BatchProof =
  | { readonly kind: 'proven'; readonly events: readonly ProvenEvent[] }
  | { readonly kind: 'failed'; readonly reason: string };

interface Parts {
  readonly db: Database;
  readonly destination: Destination;
  readonly destinationName: string;
  readonly checkpoint: { readonly size: number; readonly note: string };
}

/** Proves events of one batch. The lines come from the object, because it is the record: a row may have been changed. */
export async function proveBatch(
  { db, destination, destinationName, checkpoint }: Parts,
  { index, ids }: { index: number; ids: ReadonlySet<string> },
  signal: AbortSignal,
): Promise<BatchProof> {
  const [text = ''] = await readLogEntries(db, destinationName, { from: index, count: 1 });
  const entry = parseBatchEntry(text);
  if (entry === null) return failed(`The entry ${index} of the log is not of a batch.`);
  const wanted: { id: string; at: number; line: Buffer }[] = [];
  const tree = createProvableLines((line, at) => {
    const id = lineBegin.exec(line.toString('latin1', 0, lineBeginBytes))?.[1];
    if (id !== undefined && ids.has(id)) wanted.push({ id, at, line: Buffer.from(line) });
  });
  const read = await destination.read(`${destination.prefix}${entry.key}`, signal, tree.add);
  if (read.kind === 'error') return failed(`The object ${entry.key} cannot be read. ${read.message}`);
  if (read.kind === 'missing') return failed(`The object ${entry.key} is missing.`);
  if (tree.root() !== entry.lines) return failed(`The object ${entry.key} is not what the log says.`);
  const path = await proveInclusionFrom(index, checkpoint.size, async (nodes) =>
    (await readLogNodes(db, destinationName, nodes)).map((hash) => Buffer.from(hash, 'hex')),
  );
  const events = wanted.map(({ id, at, line }) => {
    const linePath = tree.prove(at);
    const proof = formatEventProof({ entry: text, line: at, linePath, index, path, checkpoint: checkpoint.note });
    return { id, line, proof };
  });
  return { kind: 'proven', events };
}

const lineBegin = /^\{"id":"([0-9a-f-]{36})"/;
const lineBeginBytes = 60;

function failed(reason: string): BatchProof {
  return { kind: 'failed', reason };
}
