import { expect, test, vi } from 'vitest';
import { createProgress } from '../src/progress.ts';

test('progress is a line every two seconds, and costs nothing in between', () => {
  const now = vi.spyOn(performance, 'now');
  const shown: string[] = [];
  const describe = vi.fn(() => 'at hour=11');
  try {
    now.mockReturnValue(1_000);
    const progress = createProgress((text) => shown.push(text));
    for (const ms of [1_000, 2_999, 3_000, 3_001, 4_999, 5_000]) {
      now.mockReturnValue(ms);
      progress(describe);
    }
  } finally {
    now.mockRestore();
  }
  expect(shown).toEqual(['at hour=11\n', 'at hour=11\n']);
  expect(describe).toHaveBeenCalledTimes(2);
});
