import { expect, test } from 'vitest';
import type { JsonText } from '../src/json/json-text.ts';
import { sameJson } from '../src/json/same-json.ts';

test.each([
  ['{"a":1,"b":[2,{}]}', '{"b":[2,{}],"a":1}'],
  ['"\\u00e9"', '"é"'],
  ['12345678901234567890', '12345678901234567890'],
  [null, 'null'],
])('%s equals %s', (left, right) => {
  expect(sameJson(left as JsonText | null, right as JsonText)).toBe(true);
});

test.each([
  ['12345678901234567890', '12345678901234567891'],
  ['0.1000000000000000055', '0.1'],
  ['1', '1.0'],
  ['1', '"1"'],
  ['[1,2]', '[2,1]'],
  ['{"a":null}', '{}'],
  [null, '{}'],
])('%s differs from %s', (left, right) => {
  expect(sameJson(left as JsonText | null, right as JsonText)).toBe(false);
});
