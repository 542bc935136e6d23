import { expect, test } from 'vitest';
import { partitionEndMs } from '../src/export/partition.ts';

test.each([
  ['2026-07-03T11', '2026-07-03T12:00:00.000Z'],
  ['2026-12-31T23', '2027-01-01T00:00:00.000Z'],
  ['2028-02-28', '2028-02-29T00:00:00.000Z'],
])('the partition %s ends at %s', (partition, end) => {
  expect(new Date(partitionEndMs(partition)).toISOString()).toBe(end);
});
