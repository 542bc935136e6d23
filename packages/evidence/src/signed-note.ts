import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { fromBase64 } from './base64.ts';

/*
 * C2SP signed-note 1.0.0: a text that ends in a newline, an empty line, and a line for each signature:
 * `— <key name> base64(4-byte key id ‖ signature)`.
 */

/** Signature types. */
const ed25519 = 1;
export const timestampedCosignature = 4;

const signatureBytes = 64;
const mostSignatures = 100;

/** A public key with its name: what a verifier pins. */
export interface VerifierKey {
  readonly name: string;
  /** 8 hexadecimal digits. */
  readonly id: string;
  readonly type: typeof ed25519 | typeof timestampedCosignature;
  /** 32 bytes. */
  readonly publicKey: Buffer;
}

/** What signs notes: a key in a file, or a service that holds the key. */
export interface NoteSigner {
  readonly key: VerifierKey;
  /** Throws SigningError when the key cannot sign. A key in a file is checked when it is read. */
  readonly check?: () => Promise<void>;
  /** Throws SigningError. */
  sign(text: Buffer): Promise<Buffer>;
}

interface NoteSignature {
  readonly name: string;
  readonly id: string;
  readonly signature: Buffer;
  /** As it stands in the note, without the newline. */
  readonly line: string;
}

export interface SignedNote {
  /** With its newline at the end. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** Which of the trusted keys signed. `cosignedAt` in seconds since 1970. */
export type NoteVerdict =
  | {
      readonly kind: 'signed';
      readonly by: readonly { readonly key: VerifierKey; readonly cosignedAt: number | null }[];
    }
  | { readonly kind: 'unsigned' }
  /** A known key with a wrong signature. The whole note is rejected. */
  | { readonly kind: 'forged'; readonly name: string };

/** Whether a name can be a key's, and so a log's origin. */
export function isKeyName(name: string): boolean {
  return /^[^\s+\p{Cc}]+$/u.test(name) && name.isWellFormed();
}

/** `name+id+base64(type ‖ key)`; null when the text has another form or its id is not of the key. */
export function parseVerifierKey(text: string): VerifierKey | null {
  const [, name = '', id = '', material = ''] = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/.exec(text.trim()) ?? [];
  const bytes = fromBase64(material);
  const type = bytes[0];
  if (!isKeyName(name) || bytes.length !== 33 || (type !== ed25519 && type !== timestampedCosignature)) return null;
  const key = { name, id, type, publicKey: bytes.subarray(1) } as const;
  return keyId(key) === id ? key : null;
}

export function formatVerifierKey({ name, id, type, publicKey }: VerifierKey): string {
  return `${name}+${id}+${Buffer.concat([Buffer.of(type), publicKey]).toString('base64')}`;
}

/** The verifier key of an Ed25519 key. */
export function verifierKeyOf(name: string, key: KeyObject, type: VerifierKey['type'] = ed25519): VerifierKey {
  const publicKey = key.export({ format: 'der', type: 'spki' }).subarray(-32);
  return { name, id: keyId({ name, type, publicKey }), type, publicKey };
}

/** Signs with a private key in PEM (PKCS #8). Throws when it is not an Ed25519 key. */
export function createKeySigner(name: string, pem: string): NoteSigner {
  const key = createPrivateKey(pem);
  if (key.asymmetricKeyType !== 'ed25519')
    throw new TypeError(`It is a key of type ${key.asymmetricKeyType}, not Ed25519.`);
  return { key: verifierKeyOf(name, createPublicKey(key)), sign: async (text) => sign(null, text, key) };
}

export async function signNote(text: string, signers: readonly NoteSigner[]): Promise<string> {
  const lines = await Promise.all(
    signers.map(async ({ key, sign: make }) => signatureLine(key, await make(Buffer.from(text)))),
  );
  return `${text}\n${lines.map((line) => `${line}\n`).join('')}`;
}

function signatureLine({ name, id }: VerifierKey, signature: Buffer): string {
  return `— ${name} ${Buffer.concat([Buffer.from(id, 'hex'), signature]).toString('base64')}`;
}

/** Null when the text is not a note. */
export function parseNote(note: string): SignedNote | null {
  const split = note.lastIndexOf('\n\n');
  if (split === -1 || !note.endsWith('\n') || !note.isWellFormed() || /[^\P{Cc}\n]/u.test(note)) return null;
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > mostSignatures) return null;
  const signatures: NoteSignature[] = [];
  for (const line of lines) {
    const [, name = '', material = ''] = /^— ([^\s+]+) (\S+)$/.exec(line) ?? [];
    const bytes = fromBase64(material);
    if (bytes.length < 5) return null;
    signatures.push({ name, id: bytes.toString('hex', 0, 4), signature: bytes.subarray(4), line });
  }
  return { text: note.slice(0, split + 1), signatures };
}

/** Signatures of unknown keys are ignored. */
export function verifyNote({ text, signatures }: SignedNote, trusted: readonly VerifierKey[]): NoteVerdict {
  const by: { key: VerifierKey; cosignedAt: number | null }[] = [];
  for (const { name, id, signature } of signatures) {
    const key = trusted.find((one) => one.name === name && one.id === id);
    if (key === undefined) continue;
    const checked = verifySignature(text, key, signature);
    if (checked === null) return { kind: 'forged', name };
    by.push({ key, cosignedAt: checked.cosignedAt });
  }
  return by.length === 0 ? { kind: 'unsigned' } : { kind: 'signed', by };
}

function verifySignature(text: string, { type, publicKey }: VerifierKey, signature: Buffer) {
  const key = createPublicKey({ key: Buffer.concat([spkiPrefix, publicKey]), format: 'der', type: 'spki' });
  if (type === ed25519) {
    const holds = signature.length === signatureBytes && verify(null, Buffer.from(text), key, signature);
    return holds ? { cosignedAt: null } : null;
  }
  if (signature.length !== 8 + signatureBytes) return null;
  const cosignedAt = Number(signature.readBigUInt64BE());
  const message = Buffer.from(`cosignature/v1\ntime ${cosignedAt}\n${text}`);
  return verify(null, message, key, signature.subarray(8)) ? { cosignedAt } : null;
}

/** What DER puts in front of the 32 bytes of an Ed25519 key. */
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');

function keyId({ name, type, publicKey }: Omit<VerifierKey, 'id'>): string {
  const hash = createHash('sha256').update(`${name}\n`).update(Buffer.of(type)).update(publicKey);
  return hash.digest('hex').slice(0, 8);
}
