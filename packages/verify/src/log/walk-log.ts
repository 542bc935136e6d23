import { type BatchEntry, noPrevious, parseBatchEntry } from '../../../evidence/src/batch-entry.ts';
import type { Checkpoint } from '../../../evidence/src/checkpoint.ts';
import { counted } from '../../../evidence/src/counted.ts';
import { checkpointFolder, checkpointPath, logFolder } from '../../../evidence/src/log-files.ts';
import { growTree, leafHash } from '../../../evidence/src/merkle.ts';
import type { VerifierKey } from '../../../evidence/src/signed-note.ts';
import { eachBundle, type Tile, tilePath, tileWidth } from '../../../evidence/src/tiles.ts';
import { type Archive, ArchiveError, liesIn } from '../archive/archive.ts';
import { broken, type Finding } from '../finding.ts';
import type { VerifyState } from '../state.ts';
import { readBundle } from './read-bundle.ts';
import { readOrReport } from './read-file.ts';
import { readSigned } from './read-signed.ts';

/** What the log holds, once its tree was derived again. */
export interface WalkedLog {
  /** The newest checkpoint whose signature holds. */
  readonly checkpoint: Checkpoint;
  /** All checkpoints whose signature holds, from small to large. */
  readonly checkpoints: readonly Checkpoint[];
  /** The key of new checkpoints: a later one than the trusted key after a change. */
  readonly newestKey: VerifierKey;
  /** When the newest entry was logged, as the log says. */
  readonly newestLogged: string | null;
  /** The SHA-256 of each file of entries that was read, by its number. */
  readonly bundles: ReadonlyMap<number, string>;
  /** Files and folders that may be checkpoints, and cannot be read or judged. */
  readonly unread: readonly string[];
}

interface WalkParts {
  readonly archive: Archive;
  readonly key: VerifierKey;
  readonly state: VerifyState | null;
  readonly report: (finding: Finding) => void;
  /** Called for each entry that is what the tree says, in order. */
  readonly onEntry: (entry: BatchEntry) => void;
  readonly onProgress: (done: { readonly entries: number; readonly size: number }) => void;
}

/**
 * Level `log`: derives the whole tree again from the entries, and compares it with every tile, with every checkpoint, and
 * with what an earlier run saw. Null when there is no checkpoint to check against. Throws ArchiveError when none can be read.
 */
export async function walkLog(parts: WalkParts): Promise<WalkedLog | null> {
  const { archive, report, state } = parts;
  const signed = await readSigned(parts);
  if (signed === null) return null;
  const { keys, checkpoints, unread } = signed;
  const newest = checkpoints.at(-1);
  if (newest === undefined) {
    if (unread.length > 0)
      throw new ArchiveError('No checkpoint of the log can be read. Restore the folder _log/, or make it readable.');
    const says =
      state === null
        ? 'No signed checkpoint is there.'
        : `A log of ${counted(state.size, 'batch', 'batches')} was there before.`;
    report(broken(state === null ? 'checkpoint-missing' : 'rolled-back', checkpointFolder, says));
    return null;
  }
  // The checkpoint that an earlier run saw may be one that cannot be read now; that was reported.
  const isShorter = state !== null && newest.size < state.size;
  if (isShorter && !unread.some((path) => liesIn(path, checkpointPath(state.size))))
    report(
      broken(
        'rolled-back',
        newest.size,
        `An earlier run saw ${counted(state.size, 'batch', 'batches')}; the log is shorter now.`,
      ),
    );

  const roots = rootsToMeet(checkpoints, state);
  const tree = growTree();
  const tiles = createTiles(archive, report);
  const bundles = new Map<number, string>();
  let previous = noPrevious;
  let newestLogged: string | null = null;
  const walked = () => ({ checkpoint: newest, checkpoints, newestKey: keys.newest, newestLogged, bundles, unread });

  function addLeaf(leaf: Buffer): void {
    previous = leaf.toString('hex');
    for (const [level, hash] of tree.append(leaf).entries()) tiles.add(level, hash);
    meetRoots(roots, tree, report);
  }

  function addEntry(bytes: Buffer): void {
    const index = tree.size;
    const entry = parseBatchEntry(bytes.toString());
    if (entry === null) report(broken('entry-malformed', index, 'The entry is not of a batch.'));
    else if (entry.index !== index || entry.origin !== newest?.origin || entry.previous !== previous)
      report(broken('entry-differs', index, 'Index, origin or previous hash of the entry are not of this place.'));
    else {
      parts.onEntry(entry);
      newestLogged = entry.logged;
    }
    addLeaf(leafHash(bytes));
  }

  for (const tile of eachBundle(newest.size)) {
    const bundle = await readBundle(parts, tile);
    if (bundle.kind === 'lost') return walked();
    if (bundle.kind === 'hashes') for (const leaf of bundle.hashes) addLeaf(leaf);
    else {
      bundles.set(tile.index, bundle.sha256);
      for (const bytes of bundle.entries) addEntry(bytes);
    }
    parts.onProgress({ entries: tree.size, size: newest.size });
    await tiles.compareFull();
  }
  await tiles.compareLast();
  return walked();
}

/** Sizes at which the tree must have a root. */
function rootsToMeet(checkpoints: readonly Checkpoint[], state: VerifyState | null) {
  const roots = new Map<number, { root: Buffer; isSeen: boolean }[]>();
  const add = (size: number, root: Buffer, isSeen: boolean) =>
    roots.set(size, [...(roots.get(size) ?? []), { root, isSeen }]);
  for (const { size, root } of checkpoints) add(size, root, false);
  if (state !== null) add(state.size, Buffer.from(state.root, 'hex'), true);
  return roots;
}

function meetRoots(
  roots: ReturnType<typeof rootsToMeet>,
  tree: { readonly size: number; root(): Buffer },
  report: WalkParts['report'],
): void {
  for (const { root, isSeen } of roots.get(tree.size) ?? []) {
    if (tree.root().equals(root)) continue;
    report(
      isSeen
        ? broken('forked', tree.size, 'An earlier run saw another log of this size. Keep both: they prove it.')
        : broken('checkpoint-inconsistent', checkpointPath(tree.size), 'The entries have another root.'),
    );
  }
}

/** Collects the hashes that tiles must hold, and compares each tile when it is full, so that memory stays small. */
function createTiles(archive: Archive, report: WalkParts['report']) {
  const open: { index: number; hashes: Buffer[] }[] = [];
  let full: { tile: Tile; bytes: Buffer }[] = [];

  function close(level: number): void {
    const { index, hashes } = open[level] ?? { index: 0, hashes: [] };
    if (hashes.length > 0) full.push({ tile: { level, index, width: hashes.length }, bytes: Buffer.concat(hashes) });
    open[level] = { index: index + 1, hashes: [] };
  }

  async function compareFull(): Promise<void> {
    for (const { tile, bytes } of full) {
      const path = `${logFolder}${tilePath(tile)}`;
      const there = await readOrReport({ archive, report }, path);
      if (there === undefined) continue;
      if (there === null) report(broken('tile-missing', path, 'The file is missing.'));
      else if (!there.equals(bytes))
        report(broken('tile-differs', path, 'The file does not hold the hashes of the entries.'));
    }
    full = [];
  }

  return {
    add(height: number, hash: Buffer): void {
      if (height % 8 !== 0) return;
      const level = height / 8;
      open[level] ??= { index: 0, hashes: [] };
      open[level].hashes.push(hash);
      if (open[level].hashes.length === tileWidth) close(level);
    },
    compareFull,
    async compareLast(): Promise<void> {
      for (const level of open.keys()) close(level);
      await compareFull();
    },
  };
}
