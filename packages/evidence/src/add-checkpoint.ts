import { parseNote, type VerifierKey, verifyNote } from './signed-note.ts';

/* What a log says to a witness, and what the witness says back: C2SP tlog-witness 1.0.0. */

/** The type of an answer that holds the size of the newest checkpoint that the witness saw. */
export const sizeType = 'text/x.tlog.size';

/** The body of `add-checkpoint`. `proof` shows that the tree begins with the tree of `oldSize` leaves. */
export function formatAddCheckpoint(oldSize: number, proof: readonly Buffer[], note: string): string {
  const hashes = proof.map((hash) => `${hash.toString('base64')}\n`).join('');
  return `old ${oldSize}\n${hashes}\n${note}`;
}

/** The line by which a witness signed the text of a checkpoint. Null when the answer has none that holds. */
export function findCosignature(answer: string, text: string, key: VerifierKey): string | null {
  const note = parseNote(`${text}\n${answer.endsWith('\n') ? answer : `${answer}\n`}`);
  if (note === null) return null;
  const signature = note.signatures.find(({ name, id }) => name === key.name && id === key.id);
  if (signature === undefined) return null;
  return verifyNote({ text, signatures: [signature] }, [key]).kind === 'signed' ? signature.line : null;
}
