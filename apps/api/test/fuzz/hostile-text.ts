import fc from 'fast-check';
import { knownTexts } from './recorded-events.ts';

/** Parts of a URL that no encoded text yields. */
const brokenParts = [
  '%',
  '%zz',
  '%2',
  '%00',
  '%FF',
  '%C0%80',
  '%ED%A0%80',
  '%F0%9F%92',
  '%u0041',
  '+',
  ';',
  '%26',
  '%0d%0a',
];

const sql = [
  "'",
  "''",
  "' or '1'='1",
  "'); drop table audit_log; --",
  '$1',
  '$$1$$',
  '\\',
  "\\'",
  '{',
  '{a',
  '{"a","b"}',
  'null',
];
const odd = [
  ',',
  ',,',
  '\\,',
  'a\\',
  '%',
  '_',
  '*',
  '()',
  ':*',
  '& |',
  '!a',
  "a'b",
  '<->',
  '\u{feff}',
  '\u202e',
  'é',
  'e\u0301',
  'İ',
  '\u{10ffff}',
];
const long = [
  'a'.repeat(2_100),
  'a,'.repeat(99),
  'a,'.repeat(101),
  'ab '.repeat(1_000),
  '(('.repeat(800),
  'é'.repeat(900),
  'a'.repeat(17_000),
];

/** A value in a URL: a known value, a known value with an addition, or a text that has broken a query before. */
export const hostileText: fc.Arbitrary<string> = fc.oneof(
  { arbitrary: fc.constantFrom(...knownTexts).map(encodeURIComponent), weight: 6 },
  fc.subarray(knownTexts, { minLength: 2, maxLength: 14 }).map((texts) => encodeURIComponent(texts.join())),
  fc
    .tuple(fc.constantFrom(...knownTexts), fc.constantFrom(...sql, ...odd))
    .map((texts) => encodeURIComponent(texts.join(''))),
  fc.constantFrom(...sql, ...odd).map(encodeURIComponent),
  fc.array(fc.constantFrom(...brokenParts, 'a', ','), { minLength: 1, maxLength: 4 }).map((parts) => parts.join('')),
  fc.string({ unit: 'binary', maxLength: 12 }).map(encodeURIComponent),
  fc.string({ unit: 'grapheme', maxLength: 12 }).map((text) => encodeURIComponent(`zz-${text}`)),
  { arbitrary: fc.constantFrom(...long).map(encodeURIComponent), weight: 1 },
  fc.constant(''),
);
