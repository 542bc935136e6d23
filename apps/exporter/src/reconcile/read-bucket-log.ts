import { parseCheckpoint } from '@auditbox/evidence/checkpoint.ts';
import { linkKeys } from '@auditbox/evidence/key-chain.ts';
import { checkpointFolder, logFolder, sizeOfCheckpoint } from '@auditbox/evidence/log-files.ts';
import { growTree, leafHash } from '@auditbox/evidence/merkle.ts';
import { parseNote, type VerifierKey, verifyNote } from '@auditbox/evidence/signed-note.ts';
import { decodeBundle, listNewTiles, tilePath } from '@auditbox/evidence/tiles.ts';
import type { DestinationError } from '../destinations/destination.ts';
import { readKeyNotes } from '../log/choose-signers.ts';
import type { LogStore } from '../log/log-store.ts';

/** An entry of the bucket's log, and the hashes that the database keeps with it. */
interface BucketEntry {
  readonly text: string;
  readonly hashes: string;
}

/** The log as the bucket has it, once its tree has the signed roots. Roots by size, 64 hexadecimal digits. */
export interface BucketLog {
  readonly kind: 'read';
  readonly entries: readonly BucketEntry[];
  readonly checkpoints: ReadonlyMap<number, { readonly root: string; readonly note: string }>;
  rootAt(size: number): string;
}

export type BucketLogOutcome = BucketLog | { readonly kind: 'unusable'; readonly reason: string } | DestinationError;

/** Reads the whole log of the bucket and checks it against its checkpoints, which must be signed by our key. */
export async function readBucketLog(store: LogStore, key: VerifierKey, signal: AbortSignal): Promise<BucketLogOutcome> {
  const notes = await readKeyNotes(store, key.name, signal);
  if (notes.kind === 'wrong key') return unusable(notes.reason);
  if (notes.kind === 'error') return notes;
  const keys = linkKeys(notes.changes, key);
  if (keys === null) return unusable('Its key notes do not lead to our key.');
  const checkpoints = new Map<number, { root: string; note: string }>();
  for (let after = ''; ; ) {
    const page = await store.list(checkpointFolder, after, signal);
    if (page.kind === 'error') return page;
    for (const path of page.paths) {
      const file = await store.read(path, signal);
      if (file.kind === 'error') return file;
      const text = file.kind === 'read' ? file.body.toString() : '';
      const note = parseNote(text);
      const checkpoint = note && parseCheckpoint(note.text);
      const isOurs =
        note && checkpoint?.origin === key.name && verifyNote(note, [keys.keyFor(checkpoint.size)]).kind === 'signed';
      if (!isOurs || checkpoint.size !== sizeOfCheckpoint(path)) return unusable(`${path} is not signed by our key.`);
      checkpoints.set(checkpoint.size, { root: checkpoint.root.toString('hex'), note: text });
    }
    if (page.isLast) break;
    after = page.paths.at(-1) ?? after;
  }
  const size = Math.max(0, ...checkpoints.keys());
  const tree = growTree();
  const entries: BucketEntry[] = [];
  const roots = [tree.root().toString('hex')];
  for (const tile of listNewTiles(0, size)) {
    if (tile.level !== 'entries') continue;
    const file = await store.read(`${logFolder}${tilePath(tile)}`, signal);
    if (file.kind === 'error') return file;
    const bundle = file.kind === 'read' ? decodeBundle(file.body) : null;
    if (bundle?.length !== tile.width) return unusable(`${tilePath(tile)} of the log is missing or damaged.`);
    for (const entry of bundle) {
      const hashes = tree.append(leafHash(entry)).map((hash) => hash.toString('hex'));
      entries.push({ text: entry.toString(), hashes: hashes.join('') });
      roots.push(tree.root().toString('hex'));
    }
  }
  for (const [at, { root }] of checkpoints) {
    if (roots[at] !== root) return unusable(`The entries do not have the root of the checkpoint of ${at} batches.`);
  }
  return { kind: 'read', entries, checkpoints, rootAt: (at) => roots[at] ?? '' };
}

function unusable(reason: string): BucketLogOutcome {
  return { kind: 'unusable', reason };
}
