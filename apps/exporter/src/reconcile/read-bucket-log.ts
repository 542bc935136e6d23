import { counted } from '@auditbox/core/text/counted.ts';
import { linkKeys } from '@auditbox/evidence/key-chain.ts';
import { checkpointFolder, logFolder, sizeOfCheckpoint } from '@auditbox/evidence/log-files.ts';
import { growTree, leafHash } from '@auditbox/evidence/merkle.ts';
import type { VerifierKey } from '@auditbox/evidence/signed-note.ts';
import { decodeBundle, listNewTiles, tilePath } from '@auditbox/evidence/tiles.ts';
import type { DestinationError } from '../destinations/destination.ts';
import { signedCheckpoint } from '../log/find-ahead.ts';
import { readKeyNotes } from '../log/key-notes.ts';
import type { LogStore } from '../log/log-store.ts';
import { readClaim } from '../log/read-claim.ts';

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

/**
 * Reads the whole log of the bucket and checks it against its checkpoints. A file that our key did not sign is handed to `onUnknown`
 * and ignored: anybody who may write to the bucket can make it up. A checkpoint that cannot be read may be the log's, so it ends the
 * reading.
 */
export async function readBucketLog(
  store: LogStore,
  key: VerifierKey,
  onUnknown: (path: string, reason: string) => void,
  signal: AbortSignal,
): Promise<BucketLogOutcome> {
  const notes = await readKeyNotes(store, [key], signal);
  if (notes.kind === 'error') return notes;
  for (const [path, reason] of notes.unknown) onUnknown(path, reason);
  const keys = linkKeys(notes.changes, key);
  if (keys === null) return unusable('Its key notes contradict each other.');
  const checkpoints = new Map<number, { root: string; note: string }>();
  for (let after = ''; ; ) {
    const page = await store.list(checkpointFolder, after, signal);
    if (page.kind === 'error') return page;
    for (const path of page.paths) {
      const claim = await readClaim(store, path, (note) => signedCheckpoint(note, path, [keys]), signal);
      if (claim.kind === 'error') return claim;
      if (claim.kind === 'unreadable' && sizeOfCheckpoint(path) !== null)
        return unusable(`${path} cannot be read. Restore it, or remove it if it is not the log's. ${claim.reason}`);
      if (claim.kind === 'signed')
        checkpoints.set(claim.value.size, { root: claim.value.root.toString('hex'), note: claim.value.note });
      else if (claim.kind !== 'missing') onUnknown(path, claim.reason);
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
    if (roots[at] !== root)
      return unusable(`The entries do not have the root of the checkpoint of ${counted(at, 'batch', 'batches')}.`);
  }
  return { kind: 'read', entries, checkpoints, rootAt: (at) => roots[at] ?? '' };
}

function unusable(reason: string): BucketLogOutcome {
  return { kind: 'unusable', reason };
}
