/*
 * Checks a C2SP tlog-proof in the browser: the event's line is in its batch, the batch is in the log, and the log's head is
 * signed. The formats are those of packages/evidence, which needs Node; here the browser's WebCrypto hashes and verifies.
 */

export interface ProofParts {
  readonly entry: string;
  /** The event's line in its object, from 0. */
  readonly line: number;
  readonly linePath: readonly Uint8Array[];
  readonly index: number;
  readonly path: readonly Uint8Array[];
  readonly checkpoint: string;
}

/** What the batch's entry says of its object. */
export interface BatchFacts {
  readonly key: string;
  readonly rows: number;
  /** Its place in the log, from 0. */
  readonly index: number;
  readonly sha256: string;
  readonly lines: string;
  readonly origin: string;
  readonly objectBytes: number;
}

export interface ProofStep {
  readonly name: string;
  readonly state: 'holds' | 'broken' | 'unchecked';
  readonly sentence: string;
}

export function parseProof(text: string): ProofParts | null {
  const [head, checkpoint] = splitOnce(text, '\n\n');
  const [first, extraLine = '', indexLine = '', ...hashes] = head.split('\n');
  const extra = fromUtf8(fromBase64(/^extra (\S+)$/.exec(extraLine)?.[1] ?? ''));
  const [extraHead, entry] = splitOnce(extra, '\n\n');
  const [extraFirst, lineLine = '', ...lineHashes] = extraHead.split('\n');
  const index = readCount(/^index (\d+)$/.exec(indexLine)?.[1]);
  const line = readCount(/^line (\d+)$/.exec(lineLine)?.[1]);
  if (first !== 'c2sp.org/tlog-proof@v1' || extraFirst !== 'auditbox-line v1') return null;
  if (index === null || line === null) return null;
  const [linePath, path] = [lineHashes.map(fromBase64), hashes.map(fromBase64)];
  if ([...linePath, ...path].some((hash) => hash.length !== 32)) return null;
  return { entry, line, linePath, index, path, checkpoint };
}

const [hash, count, time] = ['[0-9a-f]{64}', '\\d+', '\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{6}Z'];

/** The one form of an entry, as the auditor's command has it. */
const entryForm = new RegExp(
  `^auditbox-batch v1\\norigin (\\S+)\\nindex (${count})\\nprevious ${hash}\\nkey (\\S+)\\n(?:tenant (\\S+)\\n)?rows (${count})\\nbytes (${count})
sha256 (${hash})\\nlines (${hash})\\nobject-bytes (${count})\\nobject-sha256 ${hash}\\nfirst (${time})\\nlast (${time})
recorded-first (${time})\\nrecorded-last (${time})\\nlogged (${time})\\n$`,
);

/** Null for a text that is not an entry. */
export function readEntry(entry: string): BatchFacts | null {
  const [, origin = '', index, key = '', tenant, rows, bytes, sha256 = '', lines = '', objectBytes, ...times] =
    entryForm.exec(entry) ?? [];
  const [indexCount, rowCount, objectCount] = [readCount(index), readCount(rows), readCount(objectBytes)];
  if (indexCount === null || rowCount === null || objectCount === null || readCount(bytes) === null) return null;
  if (!isEncoded(tenant) || times.some((at) => Number.isNaN(Date.parse(at)))) return null;
  return { origin, index: indexCount, key, rows: rowCount, sha256, lines, objectBytes: objectCount };
}

function isEncoded(tenant = ''): boolean {
  try {
    return encodeURIComponent(decodeURIComponent(tenant)) === tenant;
  } catch {
    return false;
  }
}

/** A number as logs write it: without zeros in front, and exact. */
function readCount(digits = ''): number | null {
  return /^(0|[1-9]\d{0,15})$/.test(digits) && Number.isSafeInteger(Number(digits)) ? Number(digits) : null;
}

export interface Head {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  /** What the signatures are over. */
  readonly text: string;
  readonly signatures: readonly { readonly name: string; readonly id: string; readonly bytes: Uint8Array }[];
}

const mostSignatures = 100;

/** Null for a text that is not a signed checkpoint, as the auditor's command reads it. */
export function readHead(note: string): Head | null {
  const split = note.lastIndexOf('\n\n');
  const text = note.slice(0, split + 1);
  const [, origin = '', size, root = ''] = /^([^\n]+)\n(\d+)\n(\S{44})\n$/.exec(text) ?? [];
  const [count, rootBytes, lines] = [readCount(size), fromBase64(root), note.slice(split + 2, -1).split('\n')];
  if (count === null || rootBytes.length !== 32 || lines.length > mostSignatures) return null;
  if (!note.endsWith('\n') || !note.isWellFormed() || /[^\P{Cc}\n]/u.test(note)) return null;
  const signatures = lines.map((line) => {
    const [, name = '', material = ''] = /^— ([^\s+]+) (\S+)$/.exec(line) ?? [];
    const bytes = fromBase64(material);
    return { name, id: toHex(bytes.slice(0, 4)), bytes: bytes.slice(4) };
  });
  if (signatures.some(({ bytes }) => bytes.length === 0)) return null;
  return { origin, size: count, root: rootBytes, text, signatures };
}

/** Checks every step. `verifierKey` is what the log's operator gave out; null: the signature is not checked. */
export async function checkProof(line: string, proof: ProofParts, verifierKey: string | null): Promise<ProofStep[]> {
  const head = readHead(proof.checkpoint);
  const batch = readEntry(proof.entry);
  if (head === null) return [{ name: 'Checkpoint', state: 'broken', sentence: 'It is not a signed checkpoint.' }];
  if (batch === null) return [{ name: 'Entry', state: 'broken', sentence: 'It is not the entry of a batch.' }];
  const bytes = new TextEncoder();
  const inBatch = await isIncluded(await leafHash(bytes.encode(line)), {
    index: proof.line,
    size: batch.rows,
    path: proof.linePath,
    root: fromHex(batch.lines),
  });
  const inLog = await isIncluded(await leafHash(bytes.encode(proof.entry)), {
    index: proof.index,
    size: head.size,
    path: proof.path,
    root: head.root,
  });
  return [
    step('Line', inBatch && batch.origin === head.origin, [
      `This event is line ${proof.line + 1} of ${batch.rows} of its object.`,
      `This event is not line ${proof.line + 1} of its object. The database and the archive differ.`,
    ]),
    step('Log', inLog && batch.index === proof.index, [
      `The object is entry ${proof.index} of ${head.size} of the log.`,
      `The object is not entry ${proof.index} of the log.`,
    ]),
    await checkSignature(head, verifierKey),
  ];
}

async function checkSignature(head: Head, verifierKey: string | null): Promise<ProofStep> {
  const name = 'Signature';
  if (verifierKey === null)
    return {
      name,
      state: 'unchecked',
      sentence: 'Paste the verifier key that the operator gave you to check who signed the log.',
    };
  const [, keyName = '', id = '', material = ''] = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/.exec(verifierKey.trim()) ?? [];
  const key = fromBase64(material);
  if (key.length !== 33 || key[0] !== 1 || id !== (await keyId(keyName, key)))
    return { name, state: 'broken', sentence: 'This is not a verifier key of Ed25519.' };
  const signatures = head.signatures.filter((one) => one.name === keyName && one.id === id);
  if (keyName !== head.origin || signatures.length === 0)
    return { name, state: 'broken', sentence: `The checkpoint is not signed by ${keyName}+${id}.` };
  try {
    const imported = await crypto.subtle.importKey('raw', key.slice(1), 'Ed25519', false, ['verify']);
    const text = new TextEncoder().encode(head.text);
    const verify = ({ bytes }: { bytes: Uint8Array }) =>
      crypto.subtle.verify('Ed25519', imported, bytes as BufferSource, text);
    const holds = (await Promise.all(signatures.map(verify))).every(Boolean);
    return step(name, holds, [`The log's head is signed by ${keyName}.`, `The signature of ${keyName} is wrong.`]);
  } catch {
    return { name, state: 'unchecked', sentence: 'This browser cannot verify Ed25519. Use `npm run verify-archive`.' };
  }
}

/** What signed notes call a key by: four bytes of a hash of its name and itself. */
async function keyId(name: string, key: Uint8Array): Promise<string> {
  const named = new TextEncoder().encode(`${name}\n`);
  const bytes = new Uint8Array(named.length + key.length);
  bytes.set(named);
  bytes.set(key, named.length);
  return toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)).slice(0, 4));
}

function step(name: string, holds: boolean, [yes, no]: readonly [string, string]): ProofStep {
  return holds ? { name, state: 'holds', sentence: yes } : { name, state: 'broken', sentence: no };
}

/** RFC 9162, section 2.1.3.2. */
async function isIncluded(
  leaf: Uint8Array,
  { index, size, path, root }: { index: number; size: number; path: readonly Uint8Array[]; root: Uint8Array },
): Promise<boolean> {
  if (index >= size) return false;
  let [at, last, found] = [index, size - 1, leaf];
  for (const sibling of path) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      found = await nodeHash(sibling, found);
      while (at % 2 === 0 && at !== 0) {
        at = Math.floor(at / 2);
        last = Math.floor(last / 2);
      }
    } else found = await nodeHash(found, sibling);
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && toHex(found) === toHex(root);
}

/** RFC 6962, section 2.1. */
async function leafHash(data: Uint8Array): Promise<Uint8Array> {
  const prefixed = new Uint8Array(data.length + 1);
  prefixed.set(data, 1);
  return new Uint8Array(await crypto.subtle.digest('SHA-256', prefixed));
}

async function nodeHash(left: Uint8Array, right: Uint8Array): Promise<Uint8Array> {
  const pair = new Uint8Array(1 + left.length + right.length);
  pair[0] = 1;
  pair.set(left, 1);
  pair.set(right, 1 + left.length);
  return new Uint8Array(await crypto.subtle.digest('SHA-256', pair));
}

function splitOnce(text: string, by: string): [string, string] {
  const at = text.indexOf(by);
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at + by.length)];
}

/** No bytes for a text that is not how these bytes are written, as in the auditor's command. */
function fromBase64(text: string): Uint8Array {
  try {
    const binary = atob(text);
    return btoa(binary) === text ? Uint8Array.from(binary, (character) => character.charCodeAt(0)) : new Uint8Array();
  } catch {
    return new Uint8Array();
  }
}

/** Empty for bytes that are not UTF-8. */
function fromUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return '';
  }
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
