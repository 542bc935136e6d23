import fc from 'fast-check';
import { applyPatch, type Operation } from 'rfc6902';
import { expect, test } from 'vitest';
import { jsonPatch, printPatch } from '../src/json/json-patch.ts';
import type { JsonText } from '../src/json/json-text.ts';

const printed = (before: string | null, after: string | null): string =>
  printPatch(jsonPatch(before as JsonText | null, after as JsonText | null));

/** Names and values that are likely to repeat. Without the names of prototypes: rfc6902 rejects them; a table below tests them. */
const anyName = fc
  .oneof(fc.constantFrom('', '/', '~', '~1', '~01', 'a', '0', '-', 'é', '\u{1f4a5}'), fc.string({ unit: 'grapheme' }))
  .filter((name) => !['__proto__', 'constructor', 'prototype'].includes(name));
const { value: anyJson } = fc.letrec<{ value: fc.JsonValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    fc.oneof(
      fc.constantFrom(null, true, 0, 1, '', 'a'),
      fc.string(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
    ),
    fc.array(tie('value'), { maxLength: 6 }),
    fc.dictionary(anyName, tie('value'), { maxKeys: 6 }),
  ),
}));
const anyState = fc.option(
  anyJson.map((value) => JSON.stringify(value)),
  { nil: null },
);

/** Wraps the state into a document, so that the library can distinguish an absent state from JSON's null. */
const toDocument = (state: string | null) => (state === null ? {} : { state: JSON.parse(state) });
function patched(before: string | null, patch: string) {
  const document = toDocument(before);
  const operations: Operation[] = JSON.parse(patch);
  const errors = applyPatch(
    document,
    operations.map((operation) => ({ ...operation, path: `/state${operation.path}` })),
  );
  expect(errors.filter((error) => error !== null)).toEqual([]);
  return document;
}

test('another implementation makes the state after from the state before and the patch, for any JSON', () => {
  fc.assert(
    fc.property(anyState, anyState, (before, after) => {
      expect(patched(before, printed(before, after))).toEqual(toDocument(after));
    }),
    { numRuns: 1000 },
  );
});

test('the same holds where elements of an array went, came and changed', () => {
  const anyElements = fc.array(fc.oneof(fc.integer({ min: 0, max: 2 }), anyJson));
  fc.assert(
    fc.property(anyElements, anyElements, anyElements, anyElements, (head, gone, come, tail) => {
      const [before, after] = [gone, come].map((middle) => JSON.stringify([...head, ...middle, ...tail]));
      const patch = printed(before as string, after as string);
      expect(patched(before as string, patch)).toEqual(toDocument(after as string));
      expect(JSON.parse(patch).every(({ path }: Operation) => Number(path.split('/')[1]) >= head.length)).toBe(true);
    }),
  );
});

test.each([
  [null, null],
  ['{"a":1,"b":[2,{}]}', '{"b":[2,{}],"a":1}'],
  ['"\\u00e9"', '"é"'],
  ['[1.0,1e2,-0]', '[1,100,0]'],
  ['{"a":1,"a":2}', '{"a":2}'],
  ['{"a/\\u0062":1}', '{"a/b":1}'],
])('%s and %s are equal: nothing to patch', (before, after) => {
  expect(printed(before, after)).toBe('[]');
});

test.each([
  // No value at all, and JSON's null.
  [null, '{}', '[{"op":"add","path":"","value":{}}]'],
  [null, 'null', '[{"op":"add","path":"","value":null}]'],
  ['{"a":1}', null, '[{"op":"remove","path":""}]'],
  ['null', '{}', '[{"op":"replace","path":"","value":{}}]'],
  ['{"a":null}', '{}', '[{"op":"remove","path":"/a"}]'],
  // Digits.
  ['9007199254740993', '9007199254740992', '[{"op":"replace","path":"","value":9007199254740992}]'],
  ['{"n":1}', '{"n":12345678901234567890.10}', '[{"op":"replace","path":"/n","value":12345678901234567890.10}]'],
  ['[0.1]', '[0.1000000000000000055]', '[{"op":"replace","path":"/0","value":0.1000000000000000055}]'],
  ['[1]', '["1"]', '[{"op":"replace","path":"/0","value":"1"}]'],
  // Names.
  ['{"a":1,"a":2}', '{"a":1}', '[{"op":"replace","path":"/a","value":1}]'],
  ['{}', '{"v":{"a":1,"a":2}}', '[{"op":"add","path":"/v","value":{"a":1,"a":2}}]'],
  ['{}', '{"__proto__":{"x":1}}', '[{"op":"add","path":"/__proto__","value":{"x":1}}]'],
  ['{"__proto__":{"x":1}}', '{"__proto__":{}}', '[{"op":"remove","path":"/__proto__/x"}]'],
  [
    '{"constructor":1,"toString":1}',
    '{"toString":2}',
    '[{"op":"remove","path":"/constructor"},{"op":"replace","path":"/toString","value":2}]',
  ],
  [
    '{"":{"a/b":1,"~1":1}}',
    '{"":{"~1":2}}',
    '[{"op":"remove","path":"//a~1b"},{"op":"replace","path":"//~01","value":2}]',
  ],
  // Arrays.
  [
    '[1,2,3,4,5]',
    '[1,9,5]',
    '[{"op":"replace","path":"/1","value":9},{"op":"remove","path":"/3"},{"op":"remove","path":"/2"}]',
  ],
  ['[1,5]', '[1,2,3,5]', '[{"op":"add","path":"/1","value":2},{"op":"add","path":"/2","value":3}]'],
  ['[{"a":1,"b":1}]', '[{"a":1,"b":2}]', '[{"op":"replace","path":"/0/b","value":2}]'],
  ['[]', '{}', '[{"op":"replace","path":"","value":{}}]'],
])('from %s to %s the patch is %s', (before, after, patch) => {
  expect(printed(before, after)).toBe(patch);
});

test('removing an element from a long array is one operation', () => {
  const long = Array.from({ length: 10_000 }, (_, id) => ({ id }));
  expect(printed(JSON.stringify(long), JSON.stringify(long.toSpliced(5000, 1)))).toBe(
    '[{"op":"remove","path":"/5000"}]',
  );
});

test.each([127, 128, 129, 100_000])(
  'a change %i levels deep is found, and replaced at most 128 levels deep',
  (depth) => {
    const nest = (inner: string) => `${'['.repeat(depth)}${inner}${']'.repeat(depth)}`;
    const [operation, ...others] = jsonPatch(nest('1') as JsonText, nest('2') as JsonText);
    expect(others).toEqual([]);
    expect(operation?.path).toBe('/0'.repeat(Math.min(depth, 128)));
  },
);
