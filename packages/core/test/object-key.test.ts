import { expect, test } from 'vitest';
import { objectKey } from '../src/export/object-key.ts';

const sha256 = '0123456789abcdef'.repeat(4);
const firstOccurredAt = '2026-07-03T23:59:59.999000Z';

test.each([
  ['hour', '2026-07-03T23', 'audit_logs/dt=2026-07-03/hour=23/235959_000000000042_0123456789ab.ndjson.gz'],
  ['day', '2026-07-03', 'audit_logs/dt=2026-07-03/235959_000000000042_0123456789ab.ndjson.gz'],
] as const)('by %s, an event lies under its own time, whatever the clock says', (_grain, partition, key) => {
  expect(objectKey({ prefix: 'audit_logs/', partition, firstOccurredAt, batchId: '42', sha256 })).toBe(key);
});

test('another content under the same batch id has another key', () => {
  const parts = { prefix: '', partition: '2026-07-03T23', firstOccurredAt, batchId: '42' };
  expect(objectKey({ ...parts, sha256 })).not.toBe(objectKey({ ...parts, sha256: 'f'.repeat(64) }));
});
