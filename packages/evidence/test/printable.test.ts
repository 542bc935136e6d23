import { printable, printableLines } from '@auditbox/evidence/printable.ts';
import { expect, test } from 'vitest';

test('characters that change a terminal are shown by their number, and other text stays', () => {
  expect(printable('a\x1b[2J\x07b\x7f\u009b1m\u202ec\u2028\n\u{e0041}')).toBe(
    String.raw`a\u001b[2J\u0007b\u007f\u009b1m\u202ec\u2028\n\u{e0041}`,
  );
  expect(printable('Größe "日本" 😀\\')).toBe('Größe "日本" 😀\\');
});

test('a text of several lines keeps its lines', () => {
  expect(printableLines('LINE 1:\tx\n\x1b[31m\r\u009b')).toBe('LINE 1:\tx\n\\u001b[31m\\r\\u009b');
});
