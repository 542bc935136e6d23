import type { BatchEntry } from '../../../evidence/src/batch-entry.ts';
import type { ReceiptedEvent } from '../../../evidence/src/receipt.ts';
import { broken, type Finding, partly } from '../finding.ts';
import type { MetLine } from '../objects/line-search.ts';
import type { ReadReceipts } from './read-receipts.ts';

/** Looks for events with a receipt in the objects of an archive. */
export interface ReceiptSearch {
  /** The ids of events that may be in this object: they were recorded in its time. */
  expectedIn(entry: BatchEntry): readonly string[];
  /** What was found in an object. */
  meet(entry: BatchEntry, lines: readonly MetLine[]): void;
  /** An object that the store refuses. Its events are not missing. */
  skip(entry: BatchEntry): void;
  /**
   * Reports the events that were not found. `newestLogged` is when the log named its newest batch. `isWhole`: every entry of the log was
   * read; else an entry that was not read may name the object of an event.
   */
  end(
    newestLogged: string | null,
    log: { readonly isWhole: boolean },
  ): { readonly events: number; readonly found: number };
}

/** An event whose receipt holds is either in the archive as it was taken, or somebody has removed or changed it, or it is too young. */
export function createReceiptSearch(
  { events, findings, delayMs }: ReadReceipts,
  report: (finding: Finding) => void,
): ReceiptSearch {
  for (const finding of findings) report(finding);
  // A writer that sends an event again gets a second receipt for it.
  const unique = [...new Map(events.map((event) => [`${event.id} ${event.line}`, event])).values()];
  const byTime = unique.sort((a, b) => (a.recordedAt < b.recordedAt ? -1 : a.recordedAt > b.recordedAt ? 1 : 0));
  const met = new Map<string, { readonly key: string; readonly lines: string[] }>();
  /** Where an event may be that was not looked for, by its id. */
  const skipped = new Map<string, string>();

  function expectedIn({ recordedFirst, recordedLast }: BatchEntry): string[] {
    const ids: string[] = [];
    for (let at = findFirst(byTime, recordedFirst); at < byTime.length; at += 1) {
      const event = byTime[at] as ReceiptedEvent;
      if (event.recordedAt > recordedLast) break;
      ids.push(event.id);
    }
    return ids;
  }

  return {
    expectedIn,
    skip(entry) {
      for (const id of expectedIn(entry)) skipped.set(id, entry.key);
    },
    meet({ key }, lines) {
      for (const { id, line } of lines) met.set(id, { key, lines: [...(met.get(id)?.lines ?? []), line] });
    },
    end(newestLogged, { isWhole }) {
      const logged = newestLogged === null ? Number.NEGATIVE_INFINITY : Date.parse(newestLogged);
      const open = byTime.filter(({ id, line }) => !met.get(id)?.lines.includes(line));
      for (const { id, recordedAt } of open) {
        const taken = `The api took it at ${recordedAt}`;
        const there = met.get(id);
        const place = skipped.get(id);
        if (there !== undefined)
          report(broken('receipt-differs', id, `${taken}; it has other content in ${there.key}.`));
        else if (place !== undefined)
          report(partly('receipt-pending', id, `${taken}; it may be in ${place}, which was not checked.`));
        else if (!isWhole)
          report(
            partly('receipt-pending', id, `${taken}; an entry of the log that cannot be read may name its object.`),
          );
        else if (Date.parse(recordedAt) + delayMs <= logged)
          report(broken('receipt-missing', id, `${taken}; no object of the log has it.`));
        else report(partly('receipt-pending', id, `${taken}. The log may still name it.`));
      }
      return { events: byTime.length, found: byTime.length - open.length };
    },
  };
}

/** The first event that was recorded at this time or later. */
function findFirst(byTime: readonly ReceiptedEvent[], time: string): number {
  let [low, high] = [0, byTime.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((byTime[middle] as ReceiptedEvent).recordedAt < time) low = middle + 1;
    else high = middle;
  }
  return low;
}
