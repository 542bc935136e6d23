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
  const extra = new TextDecoder('utf-8', { ignoreBOM: true }).decode(
    fromBase64(/^extra (\S+)$/.exec(extraLine)?.[1] ?? ''),
  );
  const [extraHead, entry] = splitOnce(extra, '\n\n');
  const [extraFirst, lineLine = '', ...lineHashes] = extraHead.split('\n');
  const index = /^index (0|[1-9]\d{0,15})$/.exec(indexLine)?.[1];
  const line = /^line (0|[1-9]\d{0,15})$/.exec(lineLine)?.[1];
  if (first !== 'c2sp.org/tlog-proof@v1' || extraFirst !== 'auditbox-line v1' || !index || !line) return null;
  const [linePath, path] = [lineHashes.map(fromBase64), hashes.map(fromBase64)];
  if ([...linePath, ...path].some((hash) => hash.length !== 32)) return null;
  return { entry, line: Number(line), linePath, index: Number(index), path, checkpoint };
}

export function readEntry(entry: string): BatchFacts {
  const fields = new Map(entry.split('\n').map((line) => splitOnce(line, ' ')));
  const text = (name: string) => fields.get(name) ?? '';
  return {
    key: text('key'),
    rows: Number(text('rows')),
    index: Number(text('index') || Number.NaN),
    sha256: text('sha256'),
    lines: text('lines'),
    origin: text('origin'),
    objectBytes: Number(text('object-bytes')),
  };
}

export interface Head {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  /** What the signatures are over. */
  readonly text: string;
  readonly signatures: readonly { readonly name: string; readonly id: string; readonly bytes: Uint8Array }[];
}

export function readHead(note: string): Head | null {
  const split = note.lastIndexOf('\n\n');
  const text = note.slice(0, split + 1);
  const [origin = '', size = '', root = ''] = text.split('\n');
  if (split === -1 || !/^\d+$/.test(size)) return null;
  const signatures = note
    .slice(split + 2)
    .split('\n')
    .flatMap((line) => {
      const [, name = '', material = ''] = /^— (\S+) (\S+)$/.exec(line) ?? [];
      const bytes = fromBase64(material);
      return bytes.length < 5 ? [] : [{ name, id: toHex(bytes.slice(0, 4)), bytes: bytes.slice(4) }];
    });
  return { origin, size: Number(size), root: fromBase64(root), text, signatures };
}

/** Checks every step. `verifierKey` is what the log's operator gave out; null: the signature is not checked. */
export async function checkProof(line: string, proof: ProofParts, verifierKey: string | null): Promise<ProofStep[]> {
  const head = readHead(proof.checkpoint);
  const batch = readEntry(proof.entry);
  if (head === null) return [{ name: 'Checkpoint', state: 'broken', sentence: 'It is not a signed checkpoint.' }];
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
  if (key.length !== 33 || key[0] !== 1)
    return { name, state: 'broken', sentence: 'This is not a verifier key of Ed25519.' };
  const signature = head.signatures.find((one) => one.name === keyName && one.id === id);
  if (keyName !== head.origin || signature === undefined)
    return { name, state: 'broken', sentence: `The checkpoint is not signed by ${keyName}+${id}.` };
  try {
    const imported = await crypto.subtle.importKey('raw', key.slice(1), 'Ed25519', false, ['verify']);
    const holds = await crypto.subtle.verify(
      'Ed25519',
      imported,
      signature.bytes as BufferSource,
      new TextEncoder().encode(head.text),
    );
    return step(name, holds, [`The log's head is signed by ${keyName}.`, `The signature of ${keyName} is wrong.`]);
  } catch {
    return { name, state: 'unchecked', sentence: 'This browser cannot verify Ed25519. Use `npm run verify-archive`.' };
  }
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

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
