import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { followChanges, formatKeyNote, type KeyChange, linkKeys, parseKeyNote } from '../src/key-chain.ts';
import { createKeySigner, formatVerifierKey, parseNote, signNote } from '../src/signed-note.ts';

const origin = 'log.example/test';
const makeSigner = (name = origin) =>
  createKeySigner(name, generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString());
const [first, second, third] = [makeSigner(), makeSigner(), makeSigner()];

async function change(from: number, previous = first, next = second): Promise<KeyChange> {
  const parsed = parseKeyNote(await formatKeyNote(from, previous, next), origin);
  if (parsed === null) throw new Error('It is not a key note.');
  return parsed;
}

test('a key note returns what was written', async () => {
  expect(await change(8)).toEqual({ from: 8, previous: first.key, next: second.key });
});

test.each([
  ['only the key before', [first]],
  ['only the new key', [second]],
  ['somebody else', [third]],
])('a key note that %s signed is refused', async (_who, signers) => {
  const text = parseNote(await formatKeyNote(8, first, second))?.text ?? '';
  expect(parseKeyNote(await signNote(text, signers), origin)).toBeNull();
});

test('a key note with another text, or of another log, is refused', async () => {
  const note = await formatKeyNote(8, first, second);
  expect(parseKeyNote(note.replace('from 8', 'from 9'), origin)).toBeNull();
  expect(parseKeyNote(note, 'log.example/other')).toBeNull();
  expect(parseKeyNote(await formatKeyNote(8, makeSigner('log.example/other'), second), origin)).toBeNull();
});

test('anyone who trusts one key of the chain knows which key signs which size', async () => {
  const changes = [await change(20, second, third), await change(8)];
  for (const { key } of [first, second, third]) {
    const chain = linkKeys(changes, key);
    const names = [0, 7, 8, 19, 20, 99].map((size) => chain && formatVerifierKey(chain.keyFor(size)));
    expect(names).toEqual([first, first, second, second, third, third].map((by) => formatVerifierKey(by.key)));
    expect(chain?.newest).toEqual(third.key);
  }
  expect(linkKeys([], first.key)?.keyFor(5)).toBe(first.key);
});

test('changes that the trusted keys signed and that do not fit together are no chain', async () => {
  expect(linkKeys([await change(8), await change(20, first, third)], first.key)).toBeNull();
  expect(linkKeys([await change(8), await change(8, second, third)], first.key)).toBeNull();
});

test('key notes between keys that nobody trusts are ignored, also if their keys sign each other', async () => {
  const [stranger, other] = [makeSigner(), makeSigner()];
  const made = [await change(1, stranger, other), await change(5, other, stranger)];
  const changes = [...made, await change(20, second, third), await change(8)];
  expect(followChanges(changes, first.key)).toEqual(changes.slice(2).reverse());
  expect(linkKeys(changes, first.key)?.newest).toEqual(third.key);
  expect(linkKeys([await change(8)], third.key)?.keyFor(8)).toBe(third.key);
});
