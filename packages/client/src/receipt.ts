/** An event as the api stored it. */
interface ReceiptedEvent {
  readonly id: string;
  /** RFC 3339 in UTC. */
  readonly recordedAt: string;
  /** The hash of the event's line in its object, 64 hexadecimal digits. */
  readonly line: string;
}

/** `reason` is a sentence. */
export type ReceiptVerdict =
  | { readonly kind: 'holds'; readonly events: readonly ReceiptedEvent[] }
  | { readonly kind: 'broken'; readonly reason: string };

const receiptForm =
  /^auditbox-receipt v1\n((?:event \S+ \d{4,}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z [0-9a-f]{64}\n)+)(?:index (0|[1-9]\d{0,8})\n((?:[A-Za-z0-9+/]{43}=\n)*))?\n(auditbox-receipts v1\norigin ([^\n]+)\nsize ([1-9]\d{0,8})\nroot ([A-Za-z0-9+/]{43}=)\n)\n((?:— [^\s+]+ \S+\n){1,100})$/;

/**
 * Checks a receipt without a request: whether the api with this key took these events. `key` is its verifier key, such as
 * `audit.example.com/receipts+1a2b3c4d+AbCd…`.
 */
export async function checkReceipt(receipt: string, key: string): Promise<ReceiptVerdict> {
  const [, list = '', index, path = '', text = '', origin, size, root = '', signatures = ''] =
    receiptForm.exec(receipt) ?? [];
  const lines = list.trimEnd().split('\n');
  // A path leads from one event to the root. It says nothing about a second one.
  if (origin === undefined || (index !== undefined && lines.length > 1)) return broken('It is not a receipt.');
  if (!(await isSigned(text, signatures, key, origin))) return broken(`It is not signed by ${key}.`);
  const leaves = await Promise.all(lines.map((line) => hash(0, encode(line))));
  const siblings = path.split('\n').filter(Boolean).map(fromBase64);
  if (siblings.some(({ length }) => length === 0) || /[^\P{Cc}\n]/u.test(text + signatures))
    return broken('It is not a receipt.');
  const found = await (index === undefined
    ? rootOf(leaves)
    : climb(leaves, siblings, { index: Number(index), size: Number(size) }));
  const isWhole = index !== undefined || leaves.length === Number(size);
  if (found === null || !isWhole || !isSame(found, fromBase64(root)))
    return broken('Its events are not the events that were signed.');
  return { kind: 'holds', events: lines.map(readEvent) };
}

/** The text of the header `Auditbox-Receipt`. */
export function decodeReceipt(header: string): string {
  return new TextDecoder().decode(fromBase64(header));
}

function broken(reason: string): ReceiptVerdict {
  return { kind: 'broken', reason };
}

function readEvent(text: string): ReceiptedEvent {
  const [, id = '', recordedAt = '', line = ''] = text.split(' ');
  return { id, recordedAt, line };
}

/** A signed note (C2SP signed-note) by an Ed25519 key. */
async function isSigned(text: string, signatures: string, key: string, origin: string): Promise<boolean> {
  const [, name, id, material = ''] = /^([^\s+]+)\+([0-9a-f]{8})\+(A[A-Za-z0-9+/]{43})$/.exec(key) ?? [];
  const publicKey = fromBase64(material).slice(1);
  if (name !== origin || publicKey.length !== 32) return false;
  const ours = await crypto.subtle.importKey('raw', publicKey, 'Ed25519', false, ['verify']);
  let isOurs = false;
  for (const line of signatures.trimEnd().split('\n')) {
    const [, signer, base64 = ''] = line.split(' ');
    const bytes = fromBase64(base64);
    if (bytes.length < 5) return false;
    if (signer !== name || toHex(bytes.slice(0, 4)) !== id) continue;
    isOurs = await crypto.subtle.verify('Ed25519', ours, bytes.slice(4), encode(text));
    if (!isOurs) return false;
  }
  return isOurs;
}

/** RFC 6962, section 2.1. */
async function rootOf(leaves: readonly Uint8Array[]): Promise<Uint8Array | null> {
  let level = leaves;
  while (level.length > 1) {
    const below = level;
    level = await Promise.all(
      Array.from({ length: Math.ceil(below.length / 2) }, async (_, n) => {
        const [left, right] = below.slice(2 * n, 2 * n + 2);
        return left !== undefined && right !== undefined ? hash(1, left, right) : (left as Uint8Array);
      }),
    );
  }
  return level[0] ?? null;
}

/** The root that a path leads to (RFC 9162, section 2.1.3.2); null for a path of another length. */
async function climb(
  [leaf]: readonly Uint8Array[],
  path: readonly Uint8Array[],
  { index, size }: { readonly index: number; readonly size: number },
): Promise<Uint8Array | null> {
  if (leaf === undefined || index >= size) return null;
  let [at, last, found] = [index, size - 1, leaf];
  const siblings = [...path];
  for (; last > 0; [at, last] = [at >> 1, last >> 1]) {
    // The last node of a level without a right sibling is taken to the next level.
    if (at === last && at % 2 === 0) continue;
    const sibling = siblings.shift();
    if (sibling === undefined) return null;
    found = at % 2 === 1 ? await hash(1, sibling, found) : await hash(1, found, sibling);
  }
  return siblings.length === 0 ? found : null;
}

async function hash(prefix: 0 | 1, ...parts: readonly Uint8Array[]): Promise<Uint8Array> {
  const bytes = Uint8Array.from([prefix, ...parts.flatMap((part) => [...part])]);
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return toHex(one) === toHex(other);
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(new TextEncoder().encode(text));
}

/** No bytes for a text that is not how these bytes are written, as in the auditor's command. */
function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  try {
    const binary = atob(text);
    return btoa(binary) === text ? Uint8Array.from(binary, (char) => char.charCodeAt(0)) : new Uint8Array();
  } catch {
    return new Uint8Array();
  }
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
