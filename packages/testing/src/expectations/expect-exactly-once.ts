import { createHash } from 'node:crypto';
import { partitionFolder } from '@auditbox/core/export/partition.ts';
import { expect } from 'vitest';
import type { TestBucket } from '../servers/bucket.ts';

/**
 * Checks the promise from outside. Each id is in exactly one object, no id is missing and no other id is there. Every
 * row is in the folder of its hour. Each object's hash and row count equal its metadata.
 */
export async function expectExactlyOnce(bucket: TestBucket, ids: readonly string[]): Promise<void> {
  const objects = await bucket.objects();
  expect(objects.flatMap(({ events }) => events.map(({ id }) => id)).sort()).toEqual([...ids].sort());
  for (const { key, text, events, metadata } of objects) {
    expect(createHash('sha256').update(text).digest('hex')).toBe(metadata.sha256);
    expect(String(events.length)).toBe(metadata.rows);
    expect(key).toContain(`_${metadata.sha256?.slice(0, 12)}.`);
    for (const { updated_at } of events) expect(key).toContain(partitionFolder(updated_at.slice(0, 13)));
  }
}
