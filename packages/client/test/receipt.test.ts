import { generateKeyPairSync } from 'node:crypto';
import { checkReceipt } from '@auditbox/client/receipt.ts';
import { checkReceipt as checkAsAuditor, makeReceipts, parseReceipts } from '@auditbox/evidence/receipt.ts';
import { createKeySigner, formatVerifierKey, signNote } from '@auditbox/evidence/signed-note.ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';

/* The client checks receipts by itself. It must come to the same verdict as the command of an auditor. */

const makeSigner = () =>
  createKeySigner(
    'audit.example.com/receipts',
    generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  );
const signer = makeSigner();
const key = formatVerifierKey(signer.key);
const events = (count: number) =>
  Array.from({ length: count }, (_, n) => ({
    id: `0197d0d4-0000-7000-8000-${String(n).padStart(12, '0')}`,
    recordedAt: '2026-07-03T11:46:50.200000Z',
    line: String(n).padStart(64, '0'),
  }));

test('receipts of flushes of each size hold, with their events', async () => {
  for (const count of [...Array.from({ length: 20 }, (_, n) => n + 1), 255, 256, 257]) {
    const receipts = await makeReceipts(events(count), signer);
    expect(await checkReceipt(receipts.all(), key)).toEqual({ kind: 'holds', events: events(count) });
    for (const index of new Set([0, count >> 1, count - 1]))
      expect(await checkReceipt(receipts.one(index), key)).toEqual({ kind: 'holds', events: [events(count)[index]] });
  }
});

test('a receipt that was changed, or that another key signed, is broken', async () => {
  const receipts = await makeReceipts(events(5), signer);
  const [one, all] = [receipts.one(2), receipts.all()];
  const changed = [
    one.replace('index 2', 'index 3'),
    one.replace(/index 2\n.{44}\n/, 'index 2\n'),
    one.replace('size 5', 'size 6'),
    one.replace('0002 2026', '0003 2026'),
    one.replace('11:46:50', '11:46:51'),
    all.replace(/event .*\n/, ''),
    all.replace('origin audit', 'origin other'),
    `${one}more`,
    'hello',
    '',
  ];
  for (const receipt of changed) expect((await checkReceipt(receipt, key)).kind).toBe('broken');
  for (const receipt of [one, all])
    expect((await checkReceipt(receipt, formatVerifierKey(makeSigner().key))).kind).toBe('broken');
  for (const wrong of ['', 'audit.example.com/receipts', 'a+b+c'])
    expect((await checkReceipt(one, wrong)).kind).toBe('broken');
});

test('an event that was added to a receipt is broken, and so is a signature without a form', async () => {
  const one = (await makeReceipts(events(5), signer)).one(2);
  const forged = one.replace(
    /(event .*\n)/,
    `$1event 0197d0d4-0000-7000-8000-00000000beef 2026-07-03T11:46:50.200000Z ${'0'.repeat(64)}\n`,
  );
  expect(await checkReceipt(forged, key)).toEqual({ kind: 'broken', reason: 'It is not a receipt.' });
  const [auditors] = parseReceipts(forged);
  expect(auditors).toBeNull();
  expect((await checkReceipt(one.replace(/— (\S+) .*\n/, '— $1 !!\n'), key)).kind).toBe('broken');
});

test('a signed root that lies about its size or its origin, a longer path and a place beyond the end are broken, for the auditor too', async () => {
  const receipts = await makeReceipts(events(5), signer);
  const [one, all] = [receipts.one(2), receipts.all()];
  const alone = (await makeReceipts(events(1), signer)).one(0);
  const resign = async (receipt: string, change: (text: string) => string) => {
    const at = receipt.indexOf('\n\n') + 2;
    const signed = receipt.slice(at, receipt.indexOf('\n\n', at) + 1);
    return receipt.slice(0, at) + (await signNote(change(signed), [signer]));
  };
  const lies = [
    await resign(all, (text) => text.replace('size 5', 'size 4')),
    await resign(one, (text) => text.replace('origin audit', 'origin other')),
    one.replace(/(index 2\n)/, `$1${Buffer.alloc(32).toString('base64')}\n`),
    one.replace(/(\n\nauditbox-receipts)/, `\n${Buffer.alloc(32).toString('base64')}$1`),
    alone.replace('index 0', 'index 7'),
  ];
  for (const lie of lies) {
    expect((await checkReceipt(lie, key)).kind).toBe('broken');
    const [auditors] = parseReceipts(lie);
    expect(auditors && checkAsAuditor(auditors, [signer.key]).kind).not.toBe('holds');
  }
  const unchanged = await resign(one, (text) => text);
  expect((await checkReceipt(unchanged, key)).kind).toBe('holds');
});

test('a signature by another key of the same name does not hide the right one', async () => {
  const one = (await makeReceipts(events(5), signer)).one(2);
  const other = (await makeReceipts(events(5), makeSigner())).one(2);
  const [signature = ''] = /— .*\n/.exec(other) ?? [];
  expect((await checkReceipt(one.replace('— ', `${signature}— `), key)).kind).toBe('holds');
});

const spoils: Readonly<Record<string, (text: string, at: number, by: number) => string>> = {
  change: (text, at, by) =>
    `${text.slice(0, at)}${String.fromCharCode((text.charCodeAt(at) + by) % 128)}${text.slice(at + 1)}`,
  insert: (text, at, by) => `${text.slice(0, at)}${String.fromCharCode(by % 128)}${text.slice(at)}`,
  remove: (text, at) => `${text.slice(0, at)}${text.slice(at + 1)}`,
  'double a line': (text, at) => {
    const [begin, end] = [text.lastIndexOf('\n', at - 1) + 1, text.indexOf('\n', at) + 1 || text.length];
    return `${text.slice(0, end)}${text.slice(begin, end)}${text.slice(end)}`;
  },
};

test('client and auditor judge every receipt alike, whole or changed in any part', async () => {
  const given = fc.record({
    count: fc.integer({ min: 1, max: 9 }),
    place: fc.nat(),
    how: fc.constantFrom('nothing', ...Object.keys(spoils)),
    at: fc.nat(),
    by: fc.integer({ min: 1, max: 127 }),
  });
  const verdicts = { holds: 0, broken: 0 };
  await fc.assert(
    fc.asyncProperty(given, async ({ count, place, how, at, by }) => {
      const receipts = await makeReceipts(events(count), signer);
      const whole = place % 3 === 0 ? receipts.all() : receipts.one(place % count);
      const text = spoils[how]?.(whole, at % whole.length, by) ?? whole;
      const parsed = parseReceipts(text);
      const [only] = parsed;
      const isOne = parsed.length === 1 && text.startsWith('auditbox-receipt v1\n');
      const audited = isOne && only ? checkAsAuditor(only, [signer.key]).kind : 'broken';
      expect((await checkReceipt(text, key)).kind).toBe(audited);
      verdicts[audited] += 1;
    }),
    { numRuns: 1_500 },
  );
  expect(Math.min(verdicts.holds, verdicts.broken)).toBeGreaterThan(100);
});

test('a receipt has one text: what readers of base64 forgive, and lines that are no signature, are refused by both', async () => {
  const one = (await makeReceipts(events(5), signer)).one(2);
  const loosen = (text: string) => text.replace(/(\nindex 2\n.{42})(.)=/, (_, head, last) => `${head}${nextOf(last)}=`);
  for (const loose of [
    loosen(one),
    `${one}— other !!\n`,
    `${one}\n`,
    one.slice(0, -1),
    `${one}— oth\u0001er AAAAAAAA\n`,
  ]) {
    expect(loose).not.toBe(one);
    expect((await checkReceipt(loose, key)).kind).toBe('broken');
    const [auditors] = parseReceipts(loose);
    expect(auditors && checkAsAuditor(auditors, [signer.key]).kind).not.toBe('holds');
  }
});

/** The last character before `=` has two bits that are not of the bytes. */
function nextOf(character: string): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  return letters[letters.indexOf(character) | 1] === character ? 'A' : (letters[letters.indexOf(character) | 1] ?? 'A');
}
