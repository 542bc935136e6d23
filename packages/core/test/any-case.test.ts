import { expect, test } from 'vitest';
import { anyCase } from '../src/text/any-case.ts';

test.each([
  ['Ana', ['ana', 'ANA', 'aNa'], ['an', 'anab', 'ana\n', 'xana']],
  ['straße', ['STRAßE', 'straße'], ['strasse', 'STRASSE']],
  ['ÄRZTE', ['ärzte'], ['arzte']],
  ['a.*^$[-]\\]{2}', ['A.*^$[-]\\]{2}'], ['aa^$[-]\\]{2}']],
  ['𐐀', ['𐐨'], ['𐐁']],
  ['line\nof', ['LINE\nOF'], ['line', 'line of']],
])('%j matches the same text in any case, and nothing else', (text, same, others) => {
  const pattern = new RegExp(anyCase(text), 'u');
  expect([text, ...same].filter((one) => !pattern.test(one))).toEqual([]);
  expect(others.filter((one) => pattern.test(one))).toEqual([]);
});
