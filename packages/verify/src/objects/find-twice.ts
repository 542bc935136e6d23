import type { BatchEntry } from '../../../evidence/src/batch-entry.ts';
import type { Archive } from '../archive/archive.ts';
import { broken, type Finding } from '../finding.ts';
import { createObjectCheck } from './check-object.ts';

/** Looks for ids that seemed to come twice, in all objects, and reports those that do. What is wrong with an object was reported before. */
export async function findTwice(
  archive: Archive,
  entries: AsyncIterable<BatchEntry>,
  suspects: ReadonlySet<string>,
  report: (finding: Finding) => void,
): Promise<void> {
  if (suspects.size === 0) return;
  const check = createObjectCheck(archive, null);
  const seen = new Map<string, string>();
  for await (const entry of entries) {
    const { key } = entry;
    const { met } = await check(entry, suspects);
    for (const { id } of met) {
      const before = seen.get(id);
      if (before !== undefined) report(broken('event-twice', id, `The event is in ${before} and in ${key}.`));
      seen.set(id, key);
    }
  }
}
