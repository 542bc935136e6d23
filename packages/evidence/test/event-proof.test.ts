import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { type BatchEntry, formatBatchEntry, noPrevious } from '../src/batch-entry.ts';
import { formatCheckpoint } from '../src/checkpoint.ts';
import { checkEventProof, type EventProof, formatEventProof, parseEventProof } from '../src/event-proof.ts';
import { leafHash } from '../src/merkle.ts';
import { proveInclusion } from '../src/proofs.ts';
import { createKeySigner, signNote } from '../src/signed-note.ts';
import { rootOf } from '../src/tree-nodes.ts';
import { findIn } from './find-in.ts';

const origin = 'audit.example.com/prod/s3';
const signer = createKeySigner(
  origin,
  generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
);
const lines = Array.from({ length: 10_000 }, (_, n) => Buffer.from(`{"id":"${n}"}`));
const lineLeaves = lines.map(leafHash);
const [size, index, line] = [70_000, 12_345, 4_711];

const proof = await makeProof();

test('a proof survives its text, holds for its line, and names batch and signer', () => {
  const parsed = parseEventProof(formatEventProof(proof));
  expect(parsed).toEqual(proof);
  expect(checkEventProof(lineAt(line), proof, signer.key)).toMatchObject({
    kind: 'holds',
    batch: { index, rows: 10_000 },
    checkpoint: { origin, size },
    signedBy: [origin],
  });
});

test('a proof of an event in 70,000 batches of 10,000 has at most 3,000 bytes', () => {
  expect(formatEventProof(proof).length).toBeLessThan(3_000);
});

test('a proof has one text: hashes that readers of base64 would forgive are no proof', () => {
  const text = formatEventProof(proof);
  for (const other of [text.replace(/=\n/, '>\n'), text.replace(/=\n/, '\n'), text.replace(/\n/, '\n\n'), ` ${text}`])
    expect(parseEventProof(other)).toBeNull();
  const extra = formatEventProof(proof).split('\n')[1]?.slice('extra '.length) ?? '';
  const loose = Buffer.from(Buffer.from(extra, 'base64').toString().replace(/=\n/, '>\n')).toString('base64');
  expect(parseEventProof(text.replace(extra, loose))).toBeNull();
});

test('a proof does not hold for another line, key, entry, place or checkpoint', async () => {
  const check = (changes: Partial<EventProof>, given = lineAt(line), key = signer.key) =>
    checkEventProof(given, { ...proof, ...changes }, key).kind;
  expect(check({}, lineAt(line + 1))).toBe('broken');
  expect(check({ line: line + 1 })).toBe('broken');
  expect(check({ index: index + 1 })).toBe('broken');
  expect(check({ entry: proof.entry.replace('rows 10000', 'rows 20000') })).toBe('broken');
  expect(check({ checkpoint: proof.checkpoint.replace('70000', '70001') })).toBe('broken');
  const other = createKeySigner(
    origin,
    generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  );
  expect(check({}, lineAt(line), other.key)).toBe('broken');
});

test("another environment's checkpoint does not serve, even signed by the same key", async () => {
  const text = proof.checkpoint.slice(0, proof.checkpoint.indexOf('\n\n') + 1).replace('prod', 'test');
  const checkpoint = await signNote(text, [signer]);
  expect(checkEventProof(lineAt(line), { ...proof, checkpoint }, signer.key)).toMatchObject({ kind: 'broken' });
});

async function makeProof(): Promise<EventProof> {
  const entry = formatBatchEntry({
    ...({ origin, index, previous: noPrevious, key: 'dt=2026-07-03/a.ndjson.gz', tenant: null } as const),
    ...({ rows: lines.length, bytes: 1, sha256: noPrevious, objectBytes: 1, objectSha256: noPrevious } as const),
    lines: rootOf(lines.length, findIn(lineLeaves)).toString('hex'),
    ...times(),
  });
  const leaves = Array.from({ length: size }, (_, n) => leafHash(Buffer.from(n === index ? entry : String(n))));
  const find = findIn(leaves);
  return {
    ...{ entry, line, linePath: proveInclusion(line, lines.length, findIn(lineLeaves)) },
    ...{ index, path: proveInclusion(index, size, find) },
    checkpoint: await signNote(formatCheckpoint({ origin, size, root: rootOf(size, find) }), [signer]),
  };
}

function times(): Pick<BatchEntry, 'first' | 'last' | 'recordedFirst' | 'recordedLast' | 'logged'> {
  const at = '2026-07-03T12:00:12.000000Z';
  return { first: at, last: at, recordedFirst: at, recordedLast: at, logged: at };
}

function lineAt(n: number): Buffer {
  const found = lines[n];
  if (found === undefined) throw new Error('There is no such line.');
  return found;
}
