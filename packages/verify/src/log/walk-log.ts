import { type BatchEntry, noPrevious, parseBatchEntry } from '../../../evidence/src/batch-entry.ts';
import { type Checkpoint, parseCheckpoint } from '../../../evidence/src/checkpoint.ts';
import {
  followChanges,
  type KeyChain,
  type KeyChange,
  linkKeys,
  parseKeyNote,
} from '../../../evidence/src/key-chain.ts';
import {
  checkpointFolder,
  checkpointPath,
  keyFolder,
  logFolder,
  sizeOfCheckpoint,
} from '../../../evidence/src/log-files.ts';
import { growTree, leafHash } from '../../../evidence/src/merkle.ts';
import { parseNote, type VerifierKey, verifyNote } from '../../../evidence/src/signed-note.ts';
import { decodeBundle, eachBundle, type Tile, tilePath, tileWidth } from '../../../evidence/src/tiles.ts';
import { type Archive, ArchiveError, FileRefusedError } from '../archive/archive.ts';
import { broken, type Finding, partly } from '../finding.ts';
import type { VerifyState } from '../state.ts';

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
}

interface WalkParts {
  readonly archive: Archive;
  readonly key: VerifierKey;
  readonly state: VerifyState | null;
  readonly report: (finding: Finding) => void;
  /** Called for each entry that is what the tree says, in order. */
  readonly onEntry: (entry: BatchEntry) => void;
}

/**
 * Level `log`: derives the whole tree again from the entries, and compares it with every tile, with every checkpoint, and
 * with what an earlier run saw. Null when there is no checkpoint to check against.
 */
export async function walkLog(parts: WalkParts): Promise<WalkedLog | null> {
  const { archive, report, state } = parts;
  const signed = await readSigned(parts);
  if (signed === null) return null;
  const { keys, checkpoints, refused } = signed;
  const newest = checkpoints.at(-1);
  if (newest === undefined) {
    if (refused.size > 0) throw new ArchiveError('No checkpoint of the log can be read. Restore the folder _log/.');
    const says = state === null ? 'No signed checkpoint is there.' : `A log of ${state.size} batches was there before.`;
    report(broken(state === null ? 'checkpoint-missing' : 'rolled-back', checkpointFolder, says));
    return null;
  }
  // The checkpoint that an earlier run saw may be one that cannot be read now; that was reported.
  if (state !== null && newest.size < state.size && !refused.has(state.size))
    report(broken('rolled-back', newest.size, `An earlier run saw ${state.size} batches; the log is shorter now.`));

  const roots = rootsToMeet(checkpoints, state);
  const tree = growTree();
  const tiles = createTiles(archive, report);
  let previous = noPrevious;
  let newestLogged: string | null = null;
  for (const tile of eachBundle(newest.size)) {
    const path = `${logFolder}${tilePath(tile)}`;
    const bundle = await archive.read(path);
    const entries = bundle && decodeBundle(bundle);
    if (entries?.length !== tile.width) {
      report(broken(bundle === null ? 'tile-missing' : 'tile-differs', path, `${tile.width} entries are expected.`));
      return { checkpoint: newest, checkpoints, newestKey: keys.newest, newestLogged };
    }
    for (const bytes of entries) {
      const index = tree.size;
      const entry = parseBatchEntry(bytes.toString());
      const leaf = leafHash(bytes);
      if (entry === null) report(broken('entry-malformed', index, 'The entry is not of a batch.'));
      else if (entry.index !== index || entry.origin !== newest.origin || entry.previous !== previous)
        report(broken('entry-differs', index, 'Index, origin or previous hash of the entry are not of this place.'));
      else {
        parts.onEntry(entry);
        newestLogged = entry.logged;
      }
      previous = leaf.toString('hex');
      for (const [level, hash] of tree.append(leaf).entries()) tiles.add(level, hash);
      meetRoots(roots, tree, report);
    }
    await tiles.compareFull();
  }
  await tiles.compareLast();
  return { checkpoint: newest, checkpoints, newestKey: keys.newest, newestLogged };
}

type SignedParts = Pick<WalkParts, 'archive' | 'key' | 'report'>;

/**
 * The keys of a log and the checkpoints that they signed, from small to large. What is wrong is reported. Null when the key notes
 * contradict each other.
 */
export async function readSigned(parts: SignedParts): Promise<SignedLog | null> {
  const keys = await followKeys(parts);
  return keys && { keys, ...(await readCheckpoints(parts, keys)) };
}

interface SignedLog {
  readonly keys: KeyChain;
  readonly checkpoints: readonly Checkpoint[];
  /** The sizes of checkpoints that the store refuses. */
  readonly refused: ReadonlySet<number>;
}

/** A file of the log; undefined when the store refuses this one and serves others. That is reported. */
export async function readOrReport(
  { archive, report }: Pick<WalkParts, 'archive' | 'report'>,
  path: string,
): Promise<Buffer | null | undefined> {
  try {
    return await archive.read(path);
  } catch (error) {
    if (!(error instanceof FileRefusedError)) throw error;
    report(partly('log-file-unreadable', path, `Not checked. ${error.message}`));
    return undefined;
  }
}

/**
 * The keys of the log, by its key notes. A note that no trusted key leads to is reported and says nothing: anybody can make one. Null
 * when notes that the log's keys signed contradict each other; that is reported.
 */
async function followKeys({ archive, key, report }: SignedParts): Promise<KeyChain | null> {
  const changes: (KeyChange & { readonly path: string })[] = [];
  for await (const { path } of archive.list(keyFolder)) {
    const change = parseKeyNote((await archive.read(path))?.toString() ?? '', key.name);
    if (change === null) report(broken('key-note', path, 'It is not a key note of this log that both keys signed.'));
    else changes.push({ ...change, path });
  }
  const followed = followChanges(changes, key);
  for (const change of changes)
    if (!followed.includes(change))
      report(
        broken('key-unknown', change.path, `The key note does not lead to the trusted key ${key.name}+${key.id}.`),
      );
  const chain = linkKeys(followed, key);
  if (chain === null) report(broken('key-unknown', keyFolder, 'The key notes of the log contradict each other.'));
  return chain;
}

/** The checkpoints with a right signature, from small to large. Wrong ones are reported. */
async function readCheckpoints(
  { archive, key, report }: SignedParts,
  keys: KeyChain,
): Promise<Omit<SignedLog, 'keys'>> {
  const found: Checkpoint[] = [];
  const refused = new Set<number>();
  for await (const { path } of archive.list(checkpointFolder)) {
    const size = sizeOfCheckpoint(path);
    const file = await readOrReport({ archive, report }, path);
    if (file === undefined) {
      if (size !== null) refused.add(size);
      continue;
    }
    const note = parseNote(file?.toString() ?? '');
    const checkpoint = note && parseCheckpoint(note.text);
    if (!note || !checkpoint || checkpoint.size !== size) {
      report(broken('checkpoint-malformed', path, 'It is not a signed checkpoint of the size in its name.'));
      continue;
    }
    const signer = keys.keyFor(checkpoint.size);
    const verdict = verifyNote(note, [signer]);
    if (checkpoint.origin !== key.name)
      report(broken('checkpoint-origin', path, `It is of the log ${checkpoint.origin}; expected ${key.name}.`));
    else if (verdict.kind !== 'signed')
      report(broken('checkpoint-signature', path, `It is not signed by the key ${signer.name}+${signer.id}.`));
    else found.push(checkpoint);
  }
  return { checkpoints: found.sort((a, b) => a.size - b.size), refused };
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
