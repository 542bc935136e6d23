import { expect, test } from 'vitest';
import { anyCase } from '../src/text/any-case.ts';

test.each([
  ['Ana', ['ana', 'ANA', 'aNa'], ['an', 'anab', 'ana\n', 'xana']],
  ['straße', ['STRAßE', 'straße', 'STRAẞE'], ['strasse', 'STRASSE']],
  ['STRAẞE', ['straße'], ['strasse']],
  ['ΝΊΚΟΣ', ['Νίκος', 'νίκος', 'νίκοσ'], ['Νικος']],
  ['Νίκος', ['ΝΊΚΟΣ'], ['ΝΙΚΟΣ']],
  ['ILGIN', ['ılgın', 'ilgin'], ['ılgİn']],
  ['ÄRZTE', ['ärzte'], ['arzte']],
  ['a.*^$[-]\\]{2}', ['A.*^$[-]\\]{2}'], ['aa^$[-]\\]{2}']],
  ['𐐀', ['𐐨'], ['𐐁']],
  ['line\nof', ['LINE\nOF'], ['line', 'line of']],
])('%j matches the same text in any case, and nothing else', (text, same, others) => {
  const pattern = new RegExp(anyCase(text), 'u');
  expect([text, ...same].filter((one) => !pattern.test(one))).toEqual([]);
  expect(others.filter((one) => pattern.test(one))).toEqual([]);
});

test('every letter matches what matches it, in any plane of Unicode', () => {
  const oneSided: string[] = [];
  for (let code = 0; code <= 0x1ffff; code += 1) {
    const letter = String.fromCodePoint(code);
    if (code >= 0xd800 && code <= 0xdfff) continue;
    if (letter.toLowerCase() === letter && letter.toUpperCase() === letter) continue;
    for (const other of Array.from(anyCase(letter).slice(2, -2)))
      if (!anyCase(other).includes(letter)) oneSided.push(`${letter} and ${other}`);
  }
  expect(oneSided).toEqual([]);
});
