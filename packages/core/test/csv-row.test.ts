import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { csvColumns, csvHeader, csvRow } from '../src/text/csv-row.ts';
import { leastProcessorMs } from './processor-time.ts';

const read = (text: string): string[][] => parse(text, { record_delimiter: '\r\n' });
const dangerous = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
const anyText = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: fc.constantFrom(...dangerous, '"', "'", ',', ';', ' ', '\u00a0', '\ufeff', 'a', '1') }),
);

test('another CSV parser reads the cells that were written, except for the apostrophe in front of formulas', () => {
  const anyRow = fc.array(fc.option(anyText), { minLength: csvColumns.length, maxLength: csvColumns.length });
  fc.assert(
    fc.property(fc.array(anyRow), (rows) => {
      const [header, ...cells] = read(csvHeader + rows.map(csvRow).join(''));
      expect(header).toEqual(csvColumns);
      const unguarded = cells.map((row, at) => row.map((cell, column) => withoutGuard(cell, rows[at]?.[column] ?? '')));
      expect(unguarded).toEqual(rows.map((row) => row.map((text) => text ?? '')));
    }),
    { numRuns: 500 },
  );
});

const withoutGuard = (cell: string, text: string) => (cell === `'${text}` ? text : cell);

test('no cell begins like a formula, even after white space', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const cell = read(csvRow([text]))[0]?.[0] ?? '';
      expect(dangerous).not.toContain(cell[0]);
      expect(dangerous).not.toContain(cell.trimStart()[0]);
    }),
    { numRuns: 1000 },
  );
});

test.each([
  ...dangerous.map((sign) => [`${sign}1`, `"'${sign}1"`]),
  [' =1', `"' =1"`],
  ['\n\n@a', `"'\n\n@a"`],
  ['\ufeff=1', `"'\ufeff=1"`],
  ['\u200b\u0001=1', `"'\u200b\u0001=1"`],
  ['\u3000＝1', `"'\u3000＝1"`],
  // A variation selector, a filler of Hangul and a joiner show nothing, too.
  ['\ufe0f=1', `"'\ufe0f=1"`],
  ['\u3164\u034f=1', `"'\u3164\u034f=1"`],
  ['=a"b', `"'=a""b"`],
])('%j is guarded', (text, cell) => {
  expect(csvRow([text])).toBe(`${cell}\r\n`);
});

test.each([
  ['a=1', '"a=1"'],
  ['{"a":"-1"}', '"{""a"":""-1""}"'],
  [' a', '" a"'],
  ["'=1", `"'=1"`],
  ['a\r\nb', '"a\r\nb"'],
  ['', '""'],
  [null, ''],
])('%j is written unchanged', (text, cell) => {
  expect(csvRow([text])).toBe(`${cell}\r\n`);
});

test('a million blanks are checked in less than a second of the processor', () => {
  const blanks = ' '.repeat(1_000_000);
  expect(leastProcessorMs(() => expect(csvRow([blanks])).toBe(`"${blanks}"\r\n`))).toBeLessThan(1_000);
});
