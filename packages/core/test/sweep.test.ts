import { expect, test } from 'vitest';
import { createSweep } from '../src/export/sweep.ts';

/** A sweep whose clock the test sets. */
function sweepAt() {
  const clock = { ms: 0 };
  return { clock, sweep: createSweep(() => clock.ms) };
}

const nothing = { tookSome: false, seenUpTo: '0' };

test.each([40, 3_000_000, 12_345_678])(
  'a round reads every id up to a low-water mark of %i, also when reads are slow',
  (lowWater) => {
    const { clock, sweep } = sweepAt();
    for (let round = 0; round < 3; round += 1) {
      let covered = 0;
      for (let reads = 0; covered < lowWater; reads += 1) {
        expect(reads).toBeLessThan(1_000);
        clock.ms += sweep.dueInMs();
        const slice = sweep.next(String(lowWater));
        expect(Number(slice?.after)).toBe(covered);
        const ms = (Number(slice?.upTo) - covered) / 1_000;
        covered = Number(slice?.upTo);
        clock.ms += ms;
        sweep.finished({ ...nothing, ms });
      }
    }
  },
);

test('after the first round reads take at most a twentieth of the time, and one read takes about 50 ms', () => {
  const { clock, sweep } = sweepAt();
  let reading = 0;
  let from = Number.POSITIVE_INFINITY;
  let longest = 0;
  for (let reads = 0; reads < 2_000; reads += 1) {
    clock.ms += sweep.dueInMs();
    const slice = sweep.next('10000000');
    if (slice === null) continue;
    // A microsecond for each dead index entry, as while an old snapshot is open.
    const ms = (Number(slice.upTo) - Number(slice.after)) / 1_000;
    clock.ms += ms;
    if (slice.after === '0' && reads > 0 && from === Number.POSITIVE_INFINITY) from = clock.ms;
    if (clock.ms > from) {
      reading += ms;
      longest = Math.max(longest, ms);
    }
    sweep.finished({ ...nothing, ms });
  }
  expect(reading / (clock.ms - from)).toBeLessThan(0.06);
  expect(longest).toBeLessThan(101);
});

test('a slice that had rows is read again after them before the sweep continues', () => {
  const { sweep } = sweepAt();
  expect(sweep.next('100')).toEqual({ after: '0', upTo: '100' });
  sweep.finished({ tookSome: true, seenUpTo: '40', ms: 1 });
  expect(sweep.next('100')).toEqual({ after: '40', upTo: '100' });
  sweep.finished({ ...nothing, ms: 1 });
  expect(sweep.next('100')).toBeNull();
  expect(sweep.dueInMs()).toBe(5_000);
});

test('a slice that was not read stays the next one, a little later', () => {
  const { clock, sweep } = sweepAt();
  const slice = sweep.next('3000000');
  sweep.notNow();
  expect(sweep.next('3000000')).toBeNull();
  clock.ms += sweep.dueInMs();
  expect(sweep.next('3000000')).toEqual(slice);
});

test('a failed read is retried with a smaller slice from the same id, down to the smallest size', () => {
  const { clock, sweep } = sweepAt();
  const sizes = [1, 2, 3, 4].map(() => {
    clock.ms += sweep.dueInMs();
    const slice = sweep.next('3000000');
    expect(slice?.after).toBe('0');
    sweep.failed();
    return Number(slice?.upTo);
  });
  expect(sizes).toEqual([1_000_000, 100_000, 10_000, 10_000]);
});
