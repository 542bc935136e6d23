import fc from 'fast-check';
import { expect, test } from 'vitest';
import { arrayElements, compactText, objectMembers } from '../src/json/json-text.ts';

const anyIndent = fc.constantFrom(undefined, 1, 2, '\t');

test('a compacted object has the members of the original, in their order, for any JSON', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), anyIndent, (object, indent) => {
      const text = JSON.stringify(object, null, indent);
      const members = objectMembers(text).map(({ name, value }) => [name, compactText(text, value)]);
      expect(members).toEqual(Object.entries(object).map(([name, value]) => [name, JSON.stringify(value)]));
    }),
  );
});

test('an array is cut into exactly its elements, for any JSON', () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), anyIndent, (array, indent) => {
      const text = ` ${JSON.stringify(array, null, indent)} `;
      expect(arrayElements(text).map((slice) => compactText(text, slice))).toEqual(array.map((v) => JSON.stringify(v)));
    }),
  );
});

test('compacting keeps every digit, escape and blank inside strings', () => {
  const text =
    '{ "v" : { "n": 12345678901234567890 , "f": 0.1000000000000000055,"e":1E400,"z":-0.0, "s":"a \\" \\\\" } }';
  const [member] = objectMembers(text);
  expect(member && compactText(text, member.value)).toBe(
    '{"n":12345678901234567890,"f":0.1000000000000000055,"e":1E400,"z":-0.0,"s":"a \\" \\\\"}',
  );
});

test('a member that is given twice is reported twice', () => {
  expect(objectMembers('{"a":1,"b":2,"a":3}').map(({ name }) => name)).toEqual(['a', 'b', 'a']);
});

test.each([
  ['1', 0],
  ['[]', 1],
  ['{"a":[{"b":"]]]"}]}', 3],
])('the depth of %s is %i', (value, depth) => {
  expect(objectMembers(`{"v":${value}}`)[0]?.value.depth).toBe(depth);
});
