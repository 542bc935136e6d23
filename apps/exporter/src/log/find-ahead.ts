import type { Database } from '@auditbox/db/database/connect.ts';
import { listCheckpoints } from '@auditbox/db/log/checkpoints.ts';
import type { LogHead } from '@auditbox/db/log/open-log.ts';
import { type Checkpoint, parseCheckpoint } from '@auditbox/evidence/checkpoint.ts';
import { type KeyChain, linkKeys } from '@auditbox/evidence/key-chain.ts';
import { checkpointFolder, checkpointPath, sizeOfCheckpoint } from '@auditbox/evidence/log-files.ts';
import { parseNote, type VerifierKey, verifyNote } from '@auditbox/evidence/signed-note.ts';
import type { DestinationError } from '../destinations/destination.ts';
import { readKeyNotes } from './key-notes.ts';
import type { LogStore } from './log-store.ts';
import { type Claim, readClaim, readClaims } from './read-claim.ts';

/**
 * Whether bucket and database tell the same story. `ahead`: the bucket has a checkpoint that our key signed and the database does
 * not know, because the database was restored from a backup. `behind`: a published checkpoint is missing in the bucket.
 */
type BucketState =
  | { readonly kind: 'same'; readonly unknown: UnknownFiles }
  | { readonly kind: 'ahead'; readonly size: number }
  | { readonly kind: 'behind'; readonly size: number; readonly unknown: UnknownFiles }
  | DestinationError;

/** Files among the checkpoints and the key notes that are not the log's, with the reasons. */
type UnknownFiles = ReadonlyMap<string, string>;

interface Parts {
  readonly db: Database;
  readonly destination: string;
  readonly store: LogStore;
  /** The key of the log, and the one before while its change is not published. */
  readonly keys: readonly VerifierKey[];
}

/** A pass lists and reads at most this much. Usually it lists one page and reads nothing. */
const mostPages = 10;
const mostReads = 1_000;

/** Compares the checkpoints of the bucket with those of the database. */
export interface BucketComparison {
  compare(head: LogHead, signal: AbortSignal): Promise<BucketState>;
}

/**
 * Only a signature says that the bucket is ahead. Anybody who may write to the bucket can make up a name, so a name alone must not hold
 * the export. The same is true for a file that cannot be read for its own sake: its writer chooses its encryption and its storage
 * class. Such files are returned as unknown. [evidence.md](../../../../docs/evidence.md) has the decision for each case.
 *
 * A pass is bounded, so that many made-up names hold nothing either. The next pass goes on behind the names of the last one, and begins
 * again at the end. Sizes grow by one with each batch, so few names fit between the newest known checkpoint and the first unknown
 * one.
 */
export function createBucketComparison({ db, destination, store, keys }: Parts): BucketComparison {
  /** Behind which path the next pass goes on; null: behind the newest published checkpoint. */
  let resumeBehind: string | null = null;

  /** Whether our key signed a checkpoint of the size in its name. */
  function readCheckpoints(paths: readonly string[], chains: readonly KeyChain[], signal: AbortSignal) {
    const read = (path: string): Promise<Claim<Checkpoint>> =>
      readClaim(store, path, (note) => signedCheckpoint(note, path, chains), signal);
    return readClaims(paths, read, ({ kind }) => kind === 'signed' || kind === 'error');
  }

  async function search({ publishedSize }: LogHead, signal: AbortSignal): Promise<BucketState> {
    const unknown = new Map<string, string>();
    let chains: readonly KeyChain[] | null = null;
    let behind = resumeBehind ?? checkpointPath(publishedSize);
    for (let pages = 0, reads = 0; pages < mostPages && reads < mostReads; pages += 1) {
      const page = await store.list(checkpointFolder, behind, signal);
      if (page.kind === 'error') return page;
      const candidates = await findUnknown(page.paths, unknown);
      if (candidates.length > 0 && chains === null) {
        const notes = await readKeyNotes(store, keys, signal);
        if (notes.kind === 'error') return notes;
        for (const [path, reason] of notes.unknown) unknown.set(path, reason);
        // If signed key notes contradict each other, the keys that were given count.
        chains = keys.map((key) => linkKeys(notes.changes, key) ?? { keyFor: () => key, newest: key });
      }
      for (const [path, claim] of await readCheckpoints(candidates, chains ?? [], signal)) {
        if (claim.kind === 'signed') return { kind: 'ahead', size: claim.value.size };
        if (claim.kind === 'error') return claim;
        if (claim.kind !== 'missing') unknown.set(path, claim.reason);
      }
      reads += candidates.length;
      behind = page.paths.at(-1) ?? behind;
      resumeBehind = page.isLast ? null : behind;
      if (page.isLast) break;
    }
    return { kind: 'same', unknown };
  }

  /** The paths of checkpoints that the database does not know. It is asked last: a checkpoint is stored before it is published. */
  async function findUnknown(paths: readonly string[], unknown: Map<string, string>): Promise<string[]> {
    const sizes = new Map<string, number>();
    for (const path of paths) {
      const size = sizeOfCheckpoint(path);
      if (size === null) unknown.set(path, 'It has not the name of a checkpoint.');
      else sizes.set(path, size);
    }
    const known = new Set((await listCheckpoints(db, destination, [...sizes.values()])).map(({ size }) => size));
    return [...sizes].filter(([, size]) => !known.has(size)).map(([path]) => path);
  }

  return {
    async compare(head, signal) {
      const { publishedSize: size } = head;
      const found = await search(head, signal);
      if (found.kind !== 'same' || size === 0) return found;
      const path = checkpointPath(size);
      const page = await store.list(path, '', signal);
      if (page.kind === 'error') return page;
      return page.paths.includes(path) ? found : { ...found, kind: 'behind', size };
    },
  };
}

/** A checkpoint that one of the chains signed, of the size in its path; else null. */
export function signedCheckpoint(
  text: string,
  path: string,
  chains: readonly KeyChain[],
): (Checkpoint & { readonly note: string }) | null {
  const note = parseNote(text);
  const checkpoint = note && parseCheckpoint(note.text);
  if (note === null || checkpoint === null || checkpoint.size !== sizeOfCheckpoint(path)) return null;
  const isOurs = chains.some(({ keyFor }) => {
    const key = keyFor(checkpoint.size);
    return checkpoint.origin === key.name && verifyNote(note, [key]).kind === 'signed';
  });
  return isOurs ? { ...checkpoint, note: text } : null;
}
