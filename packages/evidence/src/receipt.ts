import { fromBase64 } from './base64.ts';
import { growTree, hashBytes, leafHash, must, nodeHash } from './merkle.ts';
import { isIncluded } from './proofs.ts';
import { type NoteSigner, parseNote, signNote, type VerifierKey, verifyNote } from './signed-note.ts';

/*
 * A receipt proves that the api took an event: what it stored, and when. The api signs one root for the events that it stores
 * together. A receipt is for one of them, with its path, or for all of them. It names the hash that the event's line has in the
 * tree over the lines of its object, so that it can be compared with a copy of the bucket alone.
 */

/** An event as the api stored it. */
export interface ReceiptedEvent {
  readonly id: string;
  /** RFC 3339 in UTC with six fraction digits, by the database's clock. */
  readonly recordedAt: string;
  /** The leaf hash of the event's line without its newline, 64 hexadecimal digits. */
  readonly line: string;
}

export interface Receipt {
  /** All events of the tree in its order, or one event with its path. */
  readonly events: readonly ReceiptedEvent[];
  /** Null: the receipt has all events of the tree. */
  readonly place: { readonly index: number; readonly path: readonly Buffer[] } | null;
  /** The signed note. */
  readonly note: string;
}

/** Receipts for events that were stored together. */
export interface Receipts {
  /** The receipt of the event at this place. */
  one(index: number): string;
  /** One receipt for all of them. */
  all(): string;
}

const title = 'auditbox-receipt v1';
const rootTitle = 'auditbox-receipts v1';

/** What the receipt says about an event, from its line. The line has the form of the objects, without its newline. */
export function describeLine(line: string): ReceiptedEvent {
  // A value that SQL wrote may have raw line breaks; the exporter replaces them too.
  const stored = /[\r\n]/.test(line) ? line.replace(/[\r\n]/g, ' ') : line;
  // A value may hold the same characters. It stands before the field, and in a later text quotes are escaped.
  const at = stored.lastIndexOf(recordedField) + recordedField.length;
  return {
    id: stored.slice(idField.length, stored.indexOf('"', idField.length)),
    recordedAt: stored.slice(at, stored.indexOf('"', at)),
    line: leafHash(Buffer.from(stored)).toString('hex'),
  };
}

const idField = '{"id":"';
const recordedField = ',"recorded_at":"';

/** Signs one root for events that were stored together. There is at least one. */
export async function makeReceipts(events: readonly ReceiptedEvent[], signer: NoteSigner): Promise<Receipts> {
  const lines = events.map(formatEvent);
  const levels = listLevels(lines.map((line) => leafHash(Buffer.from(line))));
  const [root] = must(levels.at(-1));
  const text = `${rootTitle}\norigin ${signer.key.name}\nsize ${events.length}\nroot ${must(root).toString('base64')}\n`;
  const note = await signNote(text, [signer]);
  return {
    one(index) {
      const path = listSiblings(levels, index).map((hash) => `${hash.toString('base64')}\n`);
      return `${title}\n${must(lines[index])}\nindex ${index}\n${path.join('')}\n${note}`;
    },
    all: () => `${title}\n${lines.join('\n')}\n\n${note}`,
  };
}

function formatEvent({ id, recordedAt, line }: ReceiptedEvent): string {
  return `event ${id} ${recordedAt} ${line}`;
}

/** The nodes of a tree, leaves first. A node without a right sibling is taken to the next level, which gives the tree of RFC 6962. */
function listLevels(leaves: readonly Buffer[]): readonly (readonly Buffer[])[] {
  const levels = [leaves];
  for (let level = leaves; level.length > 1; ) {
    const below = level;
    level = Array.from({ length: Math.ceil(below.length / 2) }, (_, n) => {
      const [left, right] = [must(below[2 * n]), below[2 * n + 1]];
      return right === undefined ? left : nodeHash(left, right);
    });
    levels.push(level);
  }
  return levels;
}

/** The inclusion path of a leaf. */
function listSiblings(levels: readonly (readonly Buffer[])[], index: number): Buffer[] {
  const path: Buffer[] = [];
  let at = index;
  for (const level of levels.slice(0, -1)) {
    const sibling = level[at % 2 === 0 ? at + 1 : at - 1];
    if (sibling !== undefined) path.push(sibling);
    at = Math.floor(at / 2);
  }
  return path;
}

/** The receipts of a file, in which one may follow the other. Null stands for a part that is not a receipt. */
export function parseReceipts(text: string): (Receipt | null)[] {
  return text
    .split(new RegExp(`^(?=${title}$)`, 'm'))
    .filter((part) => part.trim() !== '')
    .map(parseReceipt);
}

function parseReceipt(text: string): Receipt | null {
  const split = text.indexOf('\n\n');
  if (split === -1) return null;
  const [first, ...lines] = text.slice(0, split).split('\n');
  const at = lines.findIndex((line) => line.startsWith('index '));
  const events = lines.slice(0, at === -1 ? lines.length : at).map(parseEvent);
  if (first !== title || events.length === 0 || !events.every((event) => event !== null)) return null;
  const note = text.slice(split + 2);
  if (at === -1) return { events, place: null, note };
  const index = /^index (0|[1-9]\d{0,8})$/.exec(lines[at] ?? '')?.[1];
  const path = lines.slice(at + 1).map(fromBase64);
  if (index === undefined || events.length !== 1 || path.some((hash) => hash.length !== hashBytes)) return null;
  return { events, place: { index: Number(index), path }, note };
}

const eventForm = /^event (\S+) (\d{4,}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z) ([0-9a-f]{64})$/;

function parseEvent(text: string): ReceiptedEvent | null {
  const [, id, recordedAt, line] = eventForm.exec(text) ?? [];
  return id === undefined || recordedAt === undefined || line === undefined ? null : { id, recordedAt, line };
}

/** `broken` says what is wrong, in a sentence. */
export type ReceiptVerdict = { readonly kind: 'holds' } | { readonly kind: 'broken'; readonly reason: string };

/** Whether an api with one of these keys gave this receipt, for exactly these events. */
export function checkReceipt({ events, place, note }: Receipt, keys: readonly VerifierKey[]): ReceiptVerdict {
  const signed = parseNote(note);
  const [, origin, digits, base64 = ''] = rootForm.exec(signed?.text ?? '') ?? [];
  if (signed === null || origin === undefined) return broken('It has no signed root of receipts.');
  const verdict = verifyNote(signed, keys);
  if (verdict.kind !== 'signed' || !verdict.by.some(({ key }) => key.name === origin))
    return broken(`It is not signed by ${keys.map(({ name, id }) => `${name}+${id}`).join(' or ')}.`);
  const [size, root] = [Number(digits), fromBase64(base64)];
  const leaves = events.map((event) => leafHash(Buffer.from(formatEvent(event))));
  const holds =
    place === null
      ? leaves.length === size && rootOfLeaves(leaves).equals(root)
      : isIncluded(must(leaves[0]), { ...place, size, root });
  return holds ? { kind: 'holds' } : broken('Its events are not the events that were signed.');
}

const rootForm = new RegExp(`^${rootTitle}\\norigin ([^\\n]+)\\nsize ([1-9]\\d{0,8})\\nroot ([A-Za-z0-9+/]{43}=)\\n$`);

function rootOfLeaves(leaves: readonly Buffer[]): Buffer {
  const tree = growTree();
  for (const leaf of leaves) tree.append(leaf);
  return tree.root();
}

function broken(reason: string): ReceiptVerdict {
  return { kind: 'broken', reason };
}
