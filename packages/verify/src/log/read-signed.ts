import { type Checkpoint, parseCheckpoint } from '../../../evidence/src/checkpoint.ts';
import {
  followChanges,
  type KeyChain,
  type KeyChange,
  linkKeys,
  parseKeyNote,
} from '../../../evidence/src/key-chain.ts';
import { checkpointFolder, keyFolder, numberOfKeyNote, sizeOfCheckpoint } from '../../../evidence/src/log-files.ts';
import { parseNote, type VerifierKey, verifyNote } from '../../../evidence/src/signed-note.ts';
import { broken, partly } from '../finding.ts';
import { listOrReport, type ReadParts, readListed } from './read-file.ts';

interface SignedParts extends ReadParts {
  readonly key: VerifierKey;
}

/** What the keys of a log signed. */
export interface SignedLog {
  readonly keys: KeyChain;
  /** From small to large. */
  readonly checkpoints: readonly Checkpoint[];
  /** Files and folders that may be checkpoints, and cannot be read or judged. */
  readonly unread: readonly string[];
}

/**
 * The keys of a log and the checkpoints that they signed, from small to large. What is wrong is reported. Null when the key notes
 * contradict each other.
 */
export async function readSigned(parts: SignedParts): Promise<SignedLog | null> {
  const followed = await followKeys(parts);
  return followed && { keys: followed.keys, ...(await readCheckpoints(parts, followed)) };
}

interface FollowedKeys {
  readonly keys: KeyChain;
  /** False: a file that may be a key note cannot be read, so there may be a key that nobody knows of. */
  readonly areAll: boolean;
}

/**
 * The keys of the log, by its key notes. A note that no trusted key leads to is reported and says nothing: anybody can make one. The
 * same is true for one that cannot be read: its writer may have archived it. Null when notes that the log's keys signed contradict each
 * other; that is reported.
 */
async function followKeys(parts: SignedParts): Promise<FollowedKeys | null> {
  const { key, report } = parts;
  const changes: (KeyChange & { readonly path: string })[] = [];
  const { paths, unread } = await listOrReport(parts, keyFolder);
  let areAll = !unread.some(mayHoldKeyNote);
  for (const path of paths) {
    const note = await readListed(parts, path);
    if (note === undefined) {
      areAll &&= !mayHoldKeyNote(path);
      continue;
    }
    const change = parseKeyNote(note.toString(), key.name);
    if (change === null) report(broken('key-note', path, 'It is not a key note of this log that both keys signed.'));
    else changes.push({ ...change, path });
  }
  const followed = followChanges(changes, key);
  const says = `The key note does not lead to the trusted key ${key.name}+${key.id}.`;
  for (const change of changes) {
    if (followed.includes(change)) continue;
    report(
      areAll
        ? broken('key-unknown', change.path, says)
        : partly('key-unknown', change.path, `${says} One that cannot be read may.`),
    );
  }
  const keys = linkKeys(followed, key);
  if (keys !== null) return { keys, areAll };
  report(broken('key-unknown', keyFolder, 'The key notes of the log contradict each other.'));
  return null;
}

function mayHoldKeyNote(path: string): boolean {
  return path.endsWith('/') || numberOfKeyNote(path) !== null;
}

/** The checkpoints with a right signature. Wrong ones are reported. */
async function readCheckpoints(
  parts: SignedParts,
  { keys, areAll }: FollowedKeys,
): Promise<Pick<SignedLog, 'checkpoints' | 'unread'>> {
  const { key, report } = parts;
  const found: Checkpoint[] = [];
  const { paths, unread } = await listOrReport(parts, checkpointFolder);
  for (const path of paths) {
    const size = sizeOfCheckpoint(path);
    const file = await readListed(parts, path);
    if (file === undefined) {
      if (size !== null) unread.push(path);
      continue;
    }
    const note = parseNote(file.toString());
    const checkpoint = note && parseCheckpoint(note.text);
    if (!note || !checkpoint || checkpoint.size !== size) {
      report(broken('checkpoint-malformed', path, 'It is not a signed checkpoint of the size in its name.'));
      continue;
    }
    const signer = keys.keyFor(checkpoint.size);
    const unsigned = `It is not signed by the key ${signer.name}+${signer.id}`;
    if (checkpoint.origin !== key.name)
      report(broken('checkpoint-origin', path, `It is of the log ${checkpoint.origin}; expected ${key.name}.`));
    else if (verifyNote(note, [signer]).kind === 'signed') found.push(checkpoint);
    else if (areAll) report(broken('checkpoint-signature', path, `${unsigned}.`));
    else {
      report(partly('checkpoint-signature', path, `${unsigned}. A key note that cannot be read may name its key.`));
      unread.push(path);
    }
  }
  return { checkpoints: found.sort((a, b) => a.size - b.size), unread };
}
