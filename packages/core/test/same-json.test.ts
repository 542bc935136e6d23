import { expect, test } from 'vitest';
import type { JsonText } from '../src/json/json-text.ts';
import { sameJson } from '../src/json/same-json.ts';
import { finish } from '../src/steps.ts';

test.each([
  ['{"a":1,"b":[2,{}]}', '{"b":[2,{}],"a":1}'],
  ['"\\u00e9"', '"é"'],
  ['12345678901234567890', '12345678901234567890'],
  [null, 'null'],
  ['{"a":[],"b":{},"c":[[],{"d":"","e":[{}]}]}', '{"c":[[],{"e":[{}],"d":""}],"b":{},"a":[]}'],
])('%s equals %s', (left, right) => {
  expect(finish(sameJson(left as JsonText | null, right as JsonText))).toBe(true);
});

test.each([
  ['12345678901234567890', '12345678901234567891'],
  ['0.1000000000000000055', '0.1'],
  ['1', '1.0'],
  ['1', '"1"'],
  ['[1,2]', '[2,1]'],
  ['{"a":null}', '{}'],
  [null, '{}'],
  ['[]', '{}'],
  ['[[],1]', '[[1]]'],
  ['{"a":1,"a":2}', '{"a":2,"a":1}'],
])('%s differs from %s', (left, right) => {
  expect(finish(sameJson(left as JsonText | null, right as JsonText))).toBe(false);
});

test('large texts are compared in steps of some thousand values', () => {
  const numbers = `[${Array(100_000).fill('0').join()}]`;
  const steps = sameJson(`{"a":${numbers},"b":1}` as JsonText, `{"b":1,"a":${numbers}}` as JsonText);
  let count = 0;
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done) {
      expect(step.value).toBe(true);
      break;
    }
    count += 1;
  }
  expect(count).toBeGreaterThan(40);
});
