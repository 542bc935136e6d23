import { createInterface } from 'node:readline';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import type { BatchEntry } from '../../../evidence/src/batch-entry.ts';
import type { Archive } from '../archive/archive.ts';
import { broken, type Finding } from '../finding.ts';

/** Looks for ids that seemed to come twice, in all objects, and reports those that do. */
export async function findTwice(
  archive: Archive,
  entries: AsyncIterable<BatchEntry>,
  suspects: ReadonlySet<string>,
  report: (finding: Finding) => void,
): Promise<void> {
  if (suspects.size === 0) return;
  const seen = new Map<string, string>();
  for await (const { key } of entries) {
    const stream = await archive.stream(key);
    if (stream === null) continue;
    const lines = createInterface({
      input: stream.pipe(key.endsWith('.zst') ? createZstdDecompress() : createGunzip()),
    });
    for await (const line of lines) {
      const id = /^\{"id":"([^"]+)"/.exec(line)?.[1] ?? '';
      if (!suspects.has(id)) continue;
      const before = seen.get(id);
      if (before !== undefined) report(broken('event-twice', id, `The event is in ${before} and in ${key}.`));
      seen.set(id, key);
    }
  }
}
