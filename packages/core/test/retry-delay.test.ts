import fc from 'fast-check';
import { expect, test } from 'vitest';
import { retryDelayMs } from '../src/export/retry-delay.ts';

const backoff = { baseMs: 500, capMs: 30_000 };
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test('no wait is longer than the cap after any number of failures', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000_000 }), random, (failures, drawn) => {
      const delayMs = retryDelayMs(failures, backoff, drawn);
      expect(delayMs).toBeGreaterThanOrEqual(0);
      expect(delayMs).toBeLessThanOrEqual(backoff.capMs);
    }),
  );
});

test('the bound doubles with each failure until the cap', () => {
  expect([1, 2, 3, 4, 5, 6, 7, 8].map((failures) => retryDelayMs(failures, backoff, 0.999999))).toEqual([
    500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000,
  ]);
});
