import { expect, test } from 'vitest';
import { createTurns } from '../src/turns.ts';

test('a process is healthy only while each of its loops makes progress', () => {
  let now = 0;
  const turns = createTurns(['seal', 'upload'], () => now);
  now = 900;
  turns.turned('seal');
  expect(turns.all(1_000)).toBe(true);
  now = 1_100;
  expect(turns.all(1_000)).toBe(false);
  turns.turned('upload');
  expect(turns.all(1_000)).toBe(true);
});
