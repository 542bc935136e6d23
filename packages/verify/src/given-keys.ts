import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isKeyName, parseVerifierKey, type VerifierKey } from '../../evidence/src/signed-note.ts';
import { parseWitnessPolicy, type WitnessPolicy } from '../../evidence/src/witness-policy.ts';
import { UsageError } from './usage-error.ts';

/* The keys and the policy that the command line gives, as texts or files. Each function throws UsageError. */

/** Print the verifier key of a public key. */
export interface NamedKey {
  readonly kind: 'key';
  readonly name: string;
  readonly publicKey: KeyObject;
}

export function readNamedKey(file: string, name: string | undefined): NamedKey {
  if (name === undefined || !isKeyName(name)) throw new UsageError('--public-key needs --name, without blanks and +.');
  const bytes = readBytes(file);
  const isPem = bytes.toString('latin1', 0, 5) === '-----';
  try {
    const publicKey = createPublicKey(isPem ? bytes : { key: bytes, format: 'der', type: 'spki' });
    if (publicKey.asymmetricKeyType === 'ed25519') return { kind: 'key', name, publicKey };
  } catch {}
  throw new UsageError(`${file} is not an Ed25519 public key in PEM or DER.`);
}

export function readKey(given: string | undefined): VerifierKey {
  if (given === undefined) throw new UsageError('--key is missing: without the public key nothing can be verified.');
  return toKey('--key', given.includes('+') ? given : readText(given));
}

const cellForm = /^([a-z][a-z0-9-]{0,31})=(.+)$/s;

/** `NAME=KEY`: a cell and the key of its log. */
export function readCell(given: string): { readonly name: string; readonly key: VerifierKey } {
  const [, name, text] = cellForm.exec(given) ?? [];
  if (name === undefined || text === undefined)
    throw new UsageError(
      `--cell is ${given}; it must be NAME=KEY. A name is 1 to 32 lower-case letters, digits and -, and begins with a letter.`,
    );
  const key = toKey(`--cell ${name}`, text.includes('+') ? text : readText(text));
  // An exporter with CELL_NAME signs no log of another name.
  if (key.name.endsWith(`/${name}`)) return { name, key };
  throw new UsageError(`--cell ${name} has the key of the log ${key.name}. The log of this cell ends with /${name}.`);
}

function toKey(option: string, text: string): VerifierKey {
  const key = parseVerifierKey(text);
  if (key === null) throw new UsageError(`${option} is not a verifier key, such as log.example+1a2b3c4d+AbCd….`);
  return key;
}

/** A file may have several, one a line. */
export function readReceiptKeys(given: string): VerifierKey[] {
  const lines = (given.includes('+') ? given : readText(given)).trim().split('\n');
  return lines.map((line) => toKey('--receipt-key', line));
}

export function readPolicy(file: string | undefined, { name }: VerifierKey): WitnessPolicy | null {
  if (file === undefined) return null;
  const policy = parsePolicy(file);
  if (!policy.isFor(name)) throw new UsageError(`${file} is not a policy for the log ${name}.`);
  return policy;
}

function parsePolicy(file: string): WitnessPolicy {
  const text = readText(file);
  try {
    return parseWitnessPolicy(text);
  } catch (error) {
    throw new UsageError(`${file}: ${(error as Error).message}`);
  }
}

function readText(file: string): string {
  return readBytes(file).toString();
}

function readBytes(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${(error as Error).message}.`);
  }
}
