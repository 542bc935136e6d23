import { expect, test } from 'vitest';
import { jsonInText } from '../src/json/json-in-text.ts';

const once = JSON.stringify;

test.each([
  ['an object', once('{"n": 1.10}'), '{"n": 1.10}'],
  ['an array', once('[1]'), '[1]'],
  ['null', once('null'), 'null'],
  ['blanks around it', ` ${once(' \n{"n": 1}\t')} `, '{"n": 1}\t'],
  ['a text in a text in a text', once(once(once('{}'))), '{}'],
])('the JSON text in a string is found: %s', (_name, value, json) => {
  expect(jsonInText(value)).toBe(json);
});

test.each([
  ['an object that is no text', '{"n": 1}'],
  ['a word', once('team-7')],
  ['the beginning of an object', once('{"n": 1')],
  ['two objects', once('{}{}')],
  ['blanks that JSON does not have', once('\u00a0{}')],
  ['nothing', once('')],
])('a value without JSON text has none: %s', (_name, value) => {
  expect(jsonInText(value)).toBeNull();
});

test('what is deeper than three texts stays a text', () => {
  expect(jsonInText(once(once(once(once('{}')))))).toBe(once('{}'));
});
