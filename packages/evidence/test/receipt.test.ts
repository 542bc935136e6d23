import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatCheckpoint, parseCheckpoint } from '../src/checkpoint.ts';
import { leafHash } from '../src/merkle.ts';
import { checkReceipt, describeLine, makeReceipts, parseReceipts, type Receipt } from '../src/receipt.ts';
import { createKeySigner, parseNote, signNote } from '../src/signed-note.ts';

const makeSigner = (name: string) =>
  createKeySigner(name, generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString());
const signer = makeSigner('audit.example.com/receipts');

const aLine = (n: number, value = '{"max":1}') =>
  `{"id":"0197d0d4-0000-7000-8000-${String(n).padStart(12, '0')}","updated_at":"2026-07-03T11:46:50Z","changed_by":"ana","updated_values":${value},"context":null,"recorded_at":"2026-07-03T11:46:50.${String(n).padStart(6, '0')}Z","recorded_by":"key:ci"}`;
const events = (count: number) => Array.from({ length: count }, (_, n) => describeLine(aLine(n)));

function only(text: string): Receipt {
  const [receipt, ...others] = parseReceipts(text);
  if (!receipt || others.length > 0) throw new Error('It is not one receipt.');
  return receipt;
}

test('each event of a flush of any size has a receipt that holds, and so has the flush', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 70 }), async (count) => {
      const given = events(count);
      const receipts = await makeReceipts(given, signer);
      const all = only(receipts.all());
      expect([all.events, checkReceipt(all, [signer.key]).kind]).toEqual([given, 'holds']);
      for (const [index, event] of given.entries()) {
        const one = only(receipts.one(index));
        expect([one.events, checkReceipt(one, [signer.key]).kind]).toEqual([[event], 'holds']);
      }
    }),
    { numRuns: 30 },
  );
});

test('a receipt of a flush of 500 events has at most 1,100 bytes', async () => {
  expect((await makeReceipts(events(500), signer)).one(499).length).toBeLessThan(1_100);
});

test('a receipt does not hold for another event, place, root or key', async () => {
  const receipts = await makeReceipts(events(5), signer);
  const one = only(receipts.one(2));
  const all = only(receipts.all());
  const [event] = one.events;
  if (!event || !one.place) throw new Error('The receipt is of one event.');
  const { place } = one;
  const otherNote = only((await makeReceipts(events(6), signer)).all()).note;
  const kinds = [
    { ...one, events: [{ ...event, line: 'a'.repeat(64) }] },
    { ...one, events: [{ ...event, id: `${event.id.slice(0, -1)}9` }] },
    { ...one, events: [{ ...event, recordedAt: '2026-07-03T11:46:49.000000Z' }] },
    { ...one, place: { ...place, index: 3 } },
    { ...one, place: { ...place, path: place.path.slice(1) } },
    { ...one, place: { ...place, path: [...place.path, leafHash(Buffer.from('more'))] } },
    { ...one, note: otherNote },
    { ...all, events: all.events.slice(1) },
    { ...all, events: all.events.toReversed() },
    { ...one, place: null },
    { ...one, note: one.note.replace('size 5', 'size 4') },
  ].map((receipt) => checkReceipt(receipt, [signer.key]).kind);
  expect(new Set(kinds)).toEqual(new Set(['broken']));
  expect(checkReceipt(one, [makeSigner('audit.example.com/receipts').key]).kind).toBe('broken');
  expect(checkReceipt(one, [makeSigner('audit.example.com/other').key]).kind).toBe('broken');
  expect(checkReceipt(one, [makeSigner('audit.example.com/receipts').key, signer.key]).kind).toBe('holds');
});

test('a root of receipts is not a checkpoint, and a checkpoint is not a root of receipts', async () => {
  const receipt = only((await makeReceipts(events(3), signer)).one(0));
  expect(parseCheckpoint(parseNote(receipt.note)?.text ?? '')).toBeNull();
  const checkpoint = formatCheckpoint({ origin: signer.key.name, size: 3, root: leafHash(Buffer.from('')) });
  expect(checkReceipt({ ...receipt, note: await signNote(checkpoint, [signer]) }, [signer.key]).kind).toBe('broken');
});

test('receipts of a file follow each other, and a part that is not one is null', async () => {
  const receipts = await makeReceipts(events(3), signer);
  const file = `${receipts.one(0)}${receipts.all()}\nauditbox-receipt v1\nevent x\n${receipts.one(2)}`;
  const parsed = parseReceipts(file);
  expect(parsed.map((receipt) => receipt?.events.length ?? null)).toEqual([1, 3, null, 1]);
});

test('the time of a line is the recorded one, whatever its values hold', () => {
  const trap = '{"a":1,"recorded_at":"1999-01-01T00:00:00.000000Z","b":{"c":",\\"recorded_at\\":\\"x\\""}}';
  expect(describeLine(aLine(7, trap))).toEqual({
    id: '0197d0d4-0000-7000-8000-000000000007',
    recordedAt: '2026-07-03T11:46:50.000007Z',
    line: leafHash(Buffer.from(aLine(7, trap))).toString('hex'),
  });
});

test('raw line breaks in a value become blanks, as the exporter writes them', () => {
  const [broken, exported] = [aLine(7, '{\n"a":\r1}'), aLine(7, '{ "a": 1}')];
  expect(describeLine(broken)).toEqual(describeLine(exported));
});
