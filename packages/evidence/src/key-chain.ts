import {
  formatVerifierKey,
  type NoteSigner,
  parseNote,
  parseVerifierKey,
  signNote,
  type VerifierKey,
  verifyNote,
} from './signed-note.ts';

/*
 * The keys of a log. A key note says which key signs checkpoints from a size on. The key before and the new one both sign it,
 * so anyone who trusts one key of the chain can follow it to all others.
 */

const title = 'auditbox-key v1';

export interface KeyChange {
  /** Checkpoints of this size and larger ones are signed by `next`. */
  readonly from: number;
  readonly previous: VerifierKey;
  readonly next: VerifierKey;
}

/** Makes the key note of a log. Both signers have the log's name. */
export async function formatKeyNote(from: number, previous: NoteSigner, next: NoteSigner): Promise<string> {
  const [before, after] = [formatVerifierKey(previous.key), formatVerifierKey(next.key)];
  const text = `${title}\norigin ${next.key.name}\nfrom ${from}\nprevious ${before}\nnext ${after}\n`;
  return signNote(text, [previous, next]);
}

/** Null when it is not a key note of this log that both keys signed. */
export function parseKeyNote(note: string, origin: string): KeyChange | null {
  const signed = parseNote(note);
  const [, name, digits = '', before = '', after = ''] =
    /^auditbox-key v1\norigin ([^\n]+)\nfrom (0|[1-9]\d{0,14})\nprevious ([^\n]+)\nnext ([^\n]+)\n$/.exec(
      signed?.text ?? '',
    ) ?? [];
  const [previous, next] = [parseVerifierKey(before), parseVerifierKey(after)];
  if (signed === null || previous === null || next === null || name !== origin) return null;
  if (previous.name !== origin || next.name !== origin) return null;
  const verdict = verifyNote(signed, [previous, next]);
  const isBySome = (key: VerifierKey) => verdict.kind === 'signed' && verdict.by.some((by) => by.key === key);
  return isBySome(previous) && isBySome(next) ? { from: Number(digits), previous, next } : null;
}

/** Which key must sign a checkpoint. */
export interface KeyChain {
  keyFor(size: number): VerifierKey;
  /** The key of new checkpoints. */
  readonly newest: VerifierKey;
}

/**
 * The changes that lead to or from the trusted key. Anybody can make a key note between two other keys, which says nothing about
 * this log.
 */
export function followChanges<T extends KeyChange>(changes: readonly T[], trusted: VerifierKey): T[] {
  const followed = new Set<T>();
  const keys: VerifierKey[] = [trusted];
  const isKnown = (key: VerifierKey) => keys.some((one) => isSameKey(one, key));
  for (let before = -1; before < followed.size; ) {
    before = followed.size;
    for (const change of changes) {
      if (followed.has(change) || !(isKnown(change.previous) || isKnown(change.next))) continue;
      followed.add(change);
      keys.push(change.previous, change.next);
    }
  }
  return [...followed];
}

/** Links the changes that lead to or from the trusted key to a chain. Null when they do not fit together. */
export function linkKeys(changes: readonly KeyChange[], trusted: VerifierKey): KeyChain | null {
  const sorted = followChanges(changes, trusted).sort((a, b) => a.from - b.from);
  const first = sorted[0]?.previous ?? trusted;
  const keys = [{ from: 0, key: first }, ...sorted.map(({ from, next }) => ({ from, key: next }))];
  const fits = sorted.every(
    ({ from, previous }, n) =>
      isSameKey(previous, keys[n]?.key ?? first) && from > (n === 0 ? 0 : (keys[n]?.from ?? 0)),
  );
  if (!fits) return null;
  return {
    keyFor: (size) => keys.findLast(({ from }) => from <= size)?.key ?? first,
    newest: keys.at(-1)?.key ?? first,
  };
}

export function isSameKey(one: VerifierKey, other: VerifierKey): boolean {
  return formatVerifierKey(one) === formatVerifierKey(other);
}
