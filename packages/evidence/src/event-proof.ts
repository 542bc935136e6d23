import { fromBase64 } from './base64.ts';
import { type BatchEntry, parseBatchEntry } from './batch-entry.ts';
import { type Checkpoint, parseCheckpoint } from './checkpoint.ts';
import { hashBytes, leafHash } from './merkle.ts';
import { isIncluded } from './proofs.ts';
import { parseNote, type VerifierKey, verifyNote } from './signed-note.ts';

/**
 * Proves that an event is in the log: line → batch → checkpoint. Written as C2SP tlog-proof@v1, whose `extra` holds the
 * way from the line to the batch's entry.
 */
export interface EventProof {
  /** The batch's entry, as it is in the log. */
  readonly entry: string;
  /** The event's line in the object, from 0. */
  readonly line: number;
  readonly linePath: readonly Buffer[];
  readonly index: number;
  readonly path: readonly Buffer[];
  /** The signed note. */
  readonly checkpoint: string;
}

const title = 'c2sp.org/tlog-proof@v1';
const extraTitle = 'auditbox-line v1';

export function formatEventProof({ entry, line, linePath, index, path, checkpoint }: EventProof): string {
  const extra = [extraTitle, `line ${line}`, ...linePath.map(toBase64), '', entry].join('\n');
  return [title, `extra ${toBase64(Buffer.from(extra))}`, `index ${index}`, ...path.map(toBase64), '', checkpoint].join(
    '\n',
  );
}

/** Null for a text that `formatEventProof` does not make. */
export function parseEventProof(text: string): EventProof | null {
  const [head, checkpoint] = splitOnce(text, '\n\n');
  const [first, extraLine = '', indexLine = '', ...hashes] = head.split('\n');
  const extra = fromBase64(/^extra (\S+)$/.exec(extraLine)?.[1] ?? '').toString();
  const [extraHead, entry] = splitOnce(extra, '\n\n');
  const [extraFirst, lineLine = '', ...lineHashes] = extraHead.split('\n');
  const index = readNumber(indexLine, 'index');
  const line = readNumber(lineLine, 'line');
  const [path, linePath] = [hashes.map(fromBase64), lineHashes.map(fromBase64)];
  if (first !== title || extraFirst !== extraTitle || index === null || line === null) return null;
  if ([...path, ...linePath].some((hash) => hash.length !== hashBytes)) return null;
  const proof = { entry, line, linePath, index, path, checkpoint };
  return formatEventProof(proof) === text ? proof : null;
}

/** `false` says which step failed, in a sentence. */
export type ProofVerdict =
  | {
      readonly kind: 'holds';
      readonly batch: BatchEntry;
      readonly checkpoint: Checkpoint;
      readonly signedBy: readonly string[];
    }
  | { readonly kind: 'broken'; readonly reason: string };

/**
 * Whether the proof shows that `line`, without its newline, is in the log with this key. It says nothing about whether the
 * object is still in the bucket.
 */
export function checkEventProof(
  line: Buffer,
  proof: EventProof,
  key: VerifierKey,
  cosigners: readonly VerifierKey[] = [],
): ProofVerdict {
  const note = parseNote(proof.checkpoint);
  const checkpoint = note && parseCheckpoint(note.text);
  if (!note || !checkpoint) return broken('The checkpoint is not a signed checkpoint.');
  const verdict = verifyNote(note, [key, ...cosigners]);
  if (verdict.kind === 'forged') return broken(`The checkpoint's signature of ${verdict.name} is wrong.`);
  if (verdict.kind === 'unsigned' || !verdict.by.some((by) => by.key === key))
    return broken(`The checkpoint is not signed by ${key.name}+${key.id}.`);
  if (checkpoint.origin !== key.name)
    return broken(`The checkpoint is of the log ${checkpoint.origin}, not ${key.name}.`);
  const { size, root } = checkpoint;
  const { index, path } = proof;
  if (!isIncluded(leafHash(Buffer.from(proof.entry)), { index, size, path, root }))
    return broken(`The batch is not entry ${index} of the log.`);
  const batch = parseBatchEntry(proof.entry);
  if (batch === null || batch.index !== index || batch.origin !== checkpoint.origin)
    return broken('The entry is not of a batch at this place of this log.');
  const inBatch = { index: proof.line, size: batch.rows, path: proof.linePath, root: Buffer.from(batch.lines, 'hex') };
  if (!isIncluded(leafHash(line), inBatch)) return broken(`The line is not line ${proof.line} of ${batch.key}.`);
  return { kind: 'holds', batch, checkpoint, signedBy: verdict.by.map((by) => by.key.name) };
}

function broken(reason: string): ProofVerdict {
  return { kind: 'broken', reason };
}

function splitOnce(text: string, by: string): [string, string] {
  const at = text.indexOf(by);
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + by.length)];
}

function readNumber(line: string, name: string): number | null {
  const digits = new RegExp(`^${name} (0|[1-9]\\d{0,15})$`).exec(line)?.[1];
  return digits === undefined ? null : Number(digits);
}

function toBase64(bytes: Buffer): string {
  return bytes.toString('base64');
}
