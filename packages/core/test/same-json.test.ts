import { expect, test } from 'vitest';
import type { JsonText } from '../src/json/json-text.ts';
import { sameJson } from '../src/json/same-json.ts';
import { finish, type Steps } from '../src/steps.ts';

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

function countSteps(steps: Steps<boolean>): { readonly count: number; readonly same: boolean } {
  for (let count = 0; ; count += 1) {
    const step = steps.next();
    if (step.done) return { count, same: step.value };
  }
}

test('large texts are compared in steps of some thousand values', () => {
  const numbers = `[${Array(100_000).fill('0').join()}]`;
  const steps = sameJson(`{"a":${numbers},"b":1}` as JsonText, `{"b":1,"a":${numbers}}` as JsonText);
  const { count, same } = countSteps(steps);
  expect(same).toBe(true);
  expect(count).toBeGreaterThan(40);
});

test('the members of a large object are sorted in steps, and those with the same name keep their order', () => {
  const names = Array.from({ length: 20_000 }, (_, n) => ((n * 7_919) % 20_000).toString(36));
  const print = (members: readonly string[]) => `{${members.join()}}` as JsonText;
  const members = names.map((name, n) => `"${name}":${n}`);
  const reversed = countSteps(sameJson(print(members), print(members.toReversed())));
  expect(reversed.same).toBe(true);
  // Reading needs 8 steps.
  expect(reversed.count).toBeGreaterThan(60);
  const around = (first: string, inner: readonly string[], last: string) =>
    print([`"1":${first}`, ...inner, `"1":${last}`]);
  const isSame = (left: JsonText, right: JsonText) => finish(sameJson(left, right));
  expect(isSame(around('1', members, '2'), around('1', members.toReversed(), '2'))).toBe(true);
  expect(isSame(around('1', members, '2'), around('2', members, '1'))).toBe(false);
});
