import { expect, test } from 'vitest';
import { compressionByKey } from '../src/export/compression.ts';
import { objectKey } from '../src/export/object-key.ts';

const sha256 = '0123456789abcdef'.repeat(4);
const firstOccurredAt = '2026-07-03T23:59:59.999000Z';
const batch = { prefix: 'audit_logs/', firstOccurredAt, batchId: '42', sha256, compression: 'gzip' } as const;

test.each([
  ['hour', '2026-07-03T23', 'audit_logs/dt=2026-07-03/hour=23/235959_000000000042_0123456789ab.ndjson.gz'],
  ['day', '2026-07-03', 'audit_logs/dt=2026-07-03/235959_000000000042_0123456789ab.ndjson.gz'],
] as const)('by %s, an event lies under its own time, whatever the clock says', (_grain, partition, key) => {
  expect(objectKey({ ...batch, partition })).toBe(key);
});

test('another content under the same batch id has another key', () => {
  const parts = { ...batch, partition: '2026-07-03T23' };
  expect(objectKey(parts)).not.toBe(objectKey({ ...parts, sha256: 'f'.repeat(64) }));
});

test.each(['gzip', 'zstd'] as const)('a key says that its object is compressed by %s', (compression) => {
  expect(compressionByKey(objectKey({ ...batch, partition: '2026-07-03', compression }))).toBe(compression);
});
