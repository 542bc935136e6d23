import { expect, test } from 'vitest';
import { changesBetween } from '../src/history/changes-between.ts';
import { printPatch } from '../src/json/json-patch.ts';
import type { JsonText } from '../src/json/json-text.ts';

const printed = (before: string | null, after: string | null, partial: boolean): string =>
  printPatch(changesBetween(before as JsonText | null, after as JsonText | null, { partial }) ?? []);

const row = '{"key_alias":"a","spend":0,"":1,"metadata":{"team":"x","tier":1},"models":["m","n"]}';

test('a member that a partial update leaves out is not removed', () => {
  expect(printed(row, '{"key_alias":"b"}', true)).toBe('[{"op":"replace","path":"/key_alias","value":"b"}]');
  expect(printed(row, '{}', true)).toBe('[]');
  expect(printed(row, null, true)).toBe('[]');
});

test('a member that a partial update adds is added', () => {
  expect(printed(row, '{"limits":{"rpm":9007199254740993}}', true)).toBe(
    '[{"op":"add","path":"/limits","value":{"rpm":9007199254740993}}]',
  );
});

test('below its outermost members a partial update is complete', () => {
  expect(printed(row, '{"metadata":{"tier":1},"models":["m"]}', true)).toBe(
    '[{"op":"remove","path":"/metadata/team"},{"op":"remove","path":"/models/1"}]',
  );
  expect(printed('{"":{"a":1}}', '{"":{}}', true)).toBe('[{"op":"remove","path":"//a"}]');
});

test('an array is never partial', () => {
  expect(printed('[1,2]', '[1]', true)).toBe('[{"op":"remove","path":"/1"}]');
});

test('without partial, a member that is missing afterwards is removed', () => {
  expect(printed('{"a":1,"b":2}', '{"a":1}', false)).toBe('[{"op":"remove","path":"/b"}]');
  expect(printed('{"a":1}', null, false)).toBe('[{"op":"remove","path":""}]');
});

test('a partial update of an absent value adds the value', () => {
  expect(printed(null, '{"a":1}', true)).toBe('[{"op":"add","path":"","value":{"a":1}}]');
});
