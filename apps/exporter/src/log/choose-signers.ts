import type { Database } from '@auditbox/db/database/connect.ts';
import { listCheckpoints } from '@auditbox/db/log/checkpoints.ts';
import type { LogHead } from '@auditbox/db/log/open-log.ts';
import { formatKeyNote, isSameKey, linkKeys } from '@auditbox/evidence/key-chain.ts';
import { type NoteSigner, parseNote, type VerifierKey, verifyNote } from '@auditbox/evidence/signed-note.ts';
import type { DestinationError } from '../destinations/destination.ts';
import { readKeyNotes } from './key-notes.ts';
import type { LogStore } from './log-store.ts';

/** `wrong key`: auditors would not accept what our key signs. `reason` is a sentence. */
export type Signers =
  | { readonly kind: 'signers'; readonly signers: readonly NoteSigner[] }
  | { readonly kind: 'wrong key'; readonly reason: string }
  | DestinationError;

interface Parts {
  readonly db: Database;
  readonly destinationName: string;
  readonly store: LogStore;
  readonly signer: NoteSigner;
  readonly previousSigner: NoteSigner | null;
}

/**
 * Who signs the checkpoint of the log's size. Publishes the change of the key first, when the key before is given: the change
 * counts from the next size on, and this checkpoint is signed by both.
 *
 * Where it can die: before or after the key note was created; the next call finds it.
 */
export async function chooseSigners(parts: Parts, head: LogHead, signal: AbortSignal): Promise<Signers> {
  const { signer, previousSigner: previous, store } = parts;
  const keys = [signer, ...(previous === null ? [] : [previous])].map(({ key }) => key);
  const notes = await readKeyNotes(store, keys, signal);
  if (notes.kind === 'error') return notes;
  const chain = linkKeys(notes.changes, signer.key);
  const isKnown = chain !== null && (await isSignedBy(parts, head, chain.keyFor(head.publishedSize)));
  if (isKnown) {
    if (!isSameKey(chain.newest, signer.key))
      return wrongKey('The log has a newer key than this process. Give every process the new key.');
    const signers = [previous, signer].filter((one) => one !== null);
    const needed = chain.keyFor(head.size);
    if (signers.some(({ key }) => isSameKey(key, needed))) return { kind: 'signers', signers };
    return wrongKey(
      'The key before must sign this checkpoint too: set EXPORT_LOG_PREVIOUS_KEY_FILE, or EXPORT_LOG_PREVIOUS_KMS_KEY_ID.',
    );
  }
  const before = previous && linkKeys(notes.changes, previous.key);
  if (!previous || !before || !isSameKey(before.newest, previous.key) || !(await isSignedBy(parts, head, previous.key)))
    return wrongKey(
      'The key of this process is not the key that signed the newest checkpoint. Set EXPORT_LOG_KEY_FILE or EXPORT_LOG_KMS_KEY_ID back, or set EXPORT_LOG_PREVIOUS_KEY_FILE or EXPORT_LOG_PREVIOUS_KMS_KEY_ID to the key before.',
    );
  const note = await formatKeyNote(head.size + 1, previous, signer);
  const made = await store.create(notes.nextPath, Buffer.from(note), head.now, signal);
  if (made.kind === 'error') return made;
  // Another process was first with another size.
  return made.kind === 'different'
    ? chooseSigners(parts, head, signal)
    : { kind: 'signers', signers: [previous, signer] };
}

/** Whether a key signed the newest published checkpoint. True before the first one. */
async function isSignedBy(
  { db, destinationName }: Parts,
  { publishedSize }: LogHead,
  key: VerifierKey,
): Promise<boolean> {
  if (publishedSize === 0) return true;
  const [stored] = await listCheckpoints(db, destinationName, [publishedSize]);
  const note = stored?.note ? parseNote(stored.note) : null;
  return note !== null && verifyNote(note, [key]).kind === 'signed';
}

function wrongKey(reason: string): Extract<Signers, { kind: 'wrong key' }> {
  return { kind: 'wrong key', reason };
}
