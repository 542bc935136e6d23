import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sameNumber } from '../src/json/same-number.ts';
import { leastProcessorMs } from './processor-time.ts';

test.each([
  ['1', '1.0'],
  ['1e2', '100'],
  ['1E+2', '1000e-1'],
  ['-0', '0'],
  ['0e5', '0.000'],
  ['0.00120', '12e-4'],
  ['9007199254740993', '9007199254740993.0'],
  ['1e99999999999999999999', '10e99999999999999999998'],
])('%s is %s', (left, right) => {
  expect(sameNumber(left, right)).toBe(true);
});

test.each([
  ['9007199254740993', '9007199254740992'],
  ['0.1', '0.1000000000000000055'],
  ['1e400', '1e401'],
  ['1e99999999999999999999', '1e99999999999999999998'],
  ['1', '-1'],
  ['10', '1'],
  ['1', '"1"'],
  ['null', 'null'],
])('%s is not %s', (left, right) => {
  expect(sameNumber(left, right)).toBe(false);
});

test('a number stays equal when its point moves, and differs from its neighbours', () => {
  fc.assert(
    fc.property(fc.bigInt(), fc.nat(30), (number, places) => {
      const moved = `${number}${'0'.repeat(places)}.0${'0'.repeat(places)}e-${places}`;
      expect(sameNumber(`${number}`, moved)).toBe(true);
      expect(sameNumber(`${number + 1n}`, moved)).toBe(false);
    }),
  );
});

test('a number with 200,000 inner zeros is compared in less than a second of the processor', () => {
  const zeros = '0'.repeat(200_000);
  const compare = () => expect(sameNumber(`1${zeros}1`, `1${zeros}1.0`)).toBe(true);
  expect(leastProcessorMs(compare)).toBeLessThan(1_000);
});
