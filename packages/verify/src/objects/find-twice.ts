import type { BatchEntry } from '../../../evidence/src/batch-entry.ts';
import type { ArchiveSource } from '../archive/open-archive.ts';
import { broken, type Finding } from '../finding.ts';
import { checkInThreads } from './check-in-threads.ts';

/** Looks for ids that seemed to come twice, in all objects, and reports those that do. What is wrong with an object was reported before. */
export async function findTwice(
  source: ArchiveSource,
  entries: AsyncIterable<BatchEntry>,
  suspects: ReadonlySet<string>,
  { report, onProgress }: { report: (finding: Finding) => void; onProgress: (objects: number) => void },
): Promise<void> {
  if (suspects.size === 0) return;
  const places = new Map<string, BatchEntry[]>();
  let objects = 0;
  await checkInThreads(entries, {
    source,
    filter: null,
    wantedIn: () => suspects,
    onChecked(entry, { met }) {
      objects += 1;
      onProgress(objects);
      for (const { id } of met) places.set(id, [...(places.get(id) ?? []), entry]);
    },
  });
  for (const [id, found] of places) {
    const [first, ...others] = found.sort((a, b) => a.index - b.index);
    for (const other of others) report(broken('event-twice', id, `The event is in ${first?.key} and in ${other.key}.`));
  }
}
