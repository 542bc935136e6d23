import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  createKeySigner,
  formatVerifierKey,
  isKeyName,
  parseNote,
  parseVerifierKey,
  signNote,
  verifierKeyOf,
  verifyNote,
} from '../src/signed-note.ts';

/* The note and the keys of golang.org/x/mod/sumdb/note: example_test.go and note_test.go (BSD 3-clause). */
const neumann = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
const text = `If you think cryptography is the answer to your problem,
then you don't know what your problem is.
`;
const note = `${text}
— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
`;
/** The private key of the same example, as PKCS #8. */
const neumannSeed = Buffer.from('AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz', 'base64').subarray(1);
const neumannPem = pem(neumannSeed);

const key = must(parseVerifierKey(neumann));
const parsed = must(parseNote(note));

test('a published note is signed by its published key', () => {
  expect(parsed.text).toBe(text);
  expect(verifyNote(parsed, [key])).toEqual({ kind: 'signed', by: [{ key, cosignedAt: null }] });
});

test('the published private key makes the published note', async () => {
  const signer = createKeySigner('PeterNeumann', neumannPem);
  expect(formatVerifierKey(signer.key)).toBe(neumann);
  expect(await signNote(text, [signer])).toBe(note);
});

test('a changed text rejects the whole note, and a signature of an unknown key counts for nothing', () => {
  expect(verifyNote({ ...parsed, text: `${text}And more.\n` }, [key])).toEqual({
    kind: 'forged',
    name: 'PeterNeumann',
  });
  const { publicKey } = generateKeyPairSync('ed25519');
  expect(verifyNote(parsed, [verifierKeyOf('somebody', publicKey)])).toEqual({ kind: 'unsigned' });
  const bad = note.replace('BwJnAM=', 'BwJnBM=');
  expect(verifyNote(must(parseNote(bad)), [key]).kind).toBe('forged');
});

test('a note may have seventeen signatures, of which one is known', async () => {
  const others = Array.from({ length: 16 }, (_, n) => {
    const { privateKey } = generateKeyPairSync('ed25519');
    return createKeySigner(`other${n}.example`, privateKey.export({ format: 'pem', type: 'pkcs8' }).toString());
  });
  const signed = await signNote(text, [...others, createKeySigner('PeterNeumann', neumannPem)]);
  expect(verifyNote(must(parseNote(signed)), [key])).toEqual({ kind: 'signed', by: [{ key, cosignedAt: null }] });
});

test("a witness's cosignature holds for its time and text", () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const witness = verifierKeyOf('witness.example', publicKey, 4);
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(1_782_000_000n);
  const signature = sign(null, Buffer.from(`cosignature/v1\ntime 1782000000\n${text}`), privateKey);
  const material = Buffer.concat([Buffer.from(witness.id, 'hex'), time, signature]).toString('base64');
  const cosigned = must(parseNote(`${note}— witness.example ${material}\n`));
  expect(verifyNote(cosigned, [key, witness])).toEqual({
    kind: 'signed',
    by: [
      { key, cosignedAt: null },
      { key: witness, cosignedAt: 1_782_000_000 },
    ],
  });
  expect(verifyNote({ ...cosigned, text: 'Another text.\n' }, [witness]).kind).toBe('forged');
});

test.each([
  ['without an empty line', text],
  ['without a signature', `${text}\n`],
  ['without a newline at the end', note.slice(0, -1)],
  ['with a control character', `\t${note}`],
  ['with a signature that is not base64', note.replace('x08go/', '*08go/')],
  ['with another line among the signatures', `${note}more\n`],
])('a text %s is not a note', (_what, given) => {
  expect(parseNote(given)).toBeNull();
});

test.each([
  ['without an id', 'PeterNeumann+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'],
  ['with the id of another name', neumann.replace('Peter', 'Paul')],
  ['of another type', neumann.replace('+AR', '+Ah')],
])('a key %s is not a verifier key', (_what, given) => {
  expect(parseVerifierKey(given)).toBeNull();
});

test.each(['audit.example.com/prod/s3', 'a'])('%s can name a log', (name) => expect(isKeyName(name)).toBe(true));
test.each(['', 'a b', 'a+b', 'a\nb'])('%j cannot name a log', (name) => expect(isKeyName(name)).toBe(false));

test('OpenSSL verifies the signature over the text of a note', () => {
  const folder = mkdtempSync(join(tmpdir(), 'note-'));
  const file = (name: string) => join(folder, name);
  writeFileSync(file('text'), text);
  writeFileSync(file('signature'), must(parsed.signatures[0]).signature);
  writeFileSync(file('key.pem'), neumannPem);
  const verified = execFileSync('openssl', [
    ...['pkeyutl', '-verify', '-rawin', '-in', file('text'), '-inkey', file('key.pem'), '-sigfile', file('signature')],
  ]);
  expect(verified.toString()).toContain('Signature Verified Successfully');
});

function pem(seed: Buffer): string {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  return `-----BEGIN PRIVATE KEY-----\n${der.toString('base64')}\n-----END PRIVATE KEY-----\n`;
}

function must<T>(value: T | null | undefined): T {
  if (value === null || value === undefined) throw new Error('It is missing.');
  return value;
}
