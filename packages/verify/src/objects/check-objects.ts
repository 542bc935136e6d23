import type { BatchEntry } from '../../../evidence/src/batch-entry.ts';
import type { ArchiveSource } from '../archive/open-archive.ts';
import type { Finding } from '../finding.ts';
import type { ArchiveSearch } from '../receipts/receipt-search.ts';
import { checkInThreads } from './check-in-threads.ts';
import { createFilterMemory } from './id-filter.ts';

const mostSuspects = 1_000_000;

export interface CheckedObjects {
  readonly objects: number;
  readonly rows: number;
  /** Objects that cannot be read, while others can. */
  readonly unread: number;
  /** How many of the objects that were read are locked now, and when the first of these locks ends. */
  readonly locked: number;
  readonly lockedUntil: string | null;
  /** Ids that may be in two events; null when they are too many to look for. */
  readonly suspects: ReadonlySet<string> | null;
}

/** Reads objects in threads and reports what is wrong. Throws ArchiveError when one could not be read. */
export async function checkObjects(
  source: ArchiveSource,
  entries: AsyncIterable<BatchEntry>,
  options: {
    readonly events: boolean;
    /** Null: receipts are not looked at. */
    readonly receipts: ArchiveSearch | null;
    readonly report: (finding: Finding) => void;
    /** `upTo`: all objects of smaller entries are read, or being read. */
    readonly onProgress: (done: { objects: number; rows: number; upTo: number }) => void;
  },
): Promise<CheckedObjects> {
  const { receipts } = options;
  let suspects: Set<string> | null = new Set();
  let [objects, rows, unread, locked, upTo] = [0, 0, 0, 0, 0];
  let lockedUntil: string | null = null;
  const now = new Date().toISOString();
  await checkInThreads(entries, {
    source,
    filter: options.events ? createFilterMemory() : null,
    wantedIn: (entry) => new Set(receipts?.expectedIn(entry)),
    onChecked(entry, answer) {
      for (const finding of answer.findings) options.report(finding);
      if (!answer.isRead) {
        receipts?.skip(entry);
        unread += 1;
        return;
      }
      receipts?.meet(entry, answer.met);
      for (const id of answer.suspects) suspects?.add(id);
      if (suspects !== null && suspects.size > mostSuspects) suspects = null;
      objects += 1;
      rows += entry.rows;
      upTo = Math.max(upTo, entry.index + 1);
      const { until = '' } = answer.lock ?? {};
      if (until > now) {
        locked += 1;
        if (lockedUntil === null || until < lockedUntil) lockedUntil = until;
      }
      options.onProgress({ objects, rows, upTo });
    },
  });
  return { objects, rows, unread, locked, lockedUntil, suspects };
}
