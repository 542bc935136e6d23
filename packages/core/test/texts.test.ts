import { expect, test } from 'vitest';
import { counted } from '../src/text/counted.ts';
import { endSentence } from '../src/text/end-sentence.ts';
import { quoteForShell } from '../src/text/quote-for-shell.ts';

test.each([
  [0, '0 batches'],
  [1, '1 batch'],
  [2, '2 batches'],
])('%i is counted as %s', (number, shown) => {
  expect(counted(number, 'batch', 'batches')).toBe(shown);
});

test.each([
  ['It must be in base64.', 'It must be in base64.'],
  ['it must be a URL', 'it must be a URL.'],
  ['Is it there?', 'Is it there?'],
])('%s ends with one sign', (text, ended) => {
  expect(endSentence(text)).toBe(ended);
});

test.each([
  ['/data/audit-box', '/data/audit-box'],
  ["o'brien and $co", String.raw`'o'\''brien and $co'`],
])('%s is one word of a shell', (text, word) => {
  expect(quoteForShell(text)).toBe(word);
});
