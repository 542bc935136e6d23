import type { BatchEntry } from '../../../evidence/src/batch-entry.ts';
import type { ReceiptedEvent } from '../../../evidence/src/receipt.ts';
import { broken, type Finding, partly } from '../finding.ts';
import type { MetLine } from '../objects/line-search.ts';
import type { ReadReceipts } from './read-receipts.ts';

/**
 * Looks for events with a receipt in the objects of several archives, each with its own log. A writer that got a receipt does not
 * know which of them has its event.
 */
export interface ReceiptSearch {
  /** Begins with an archive. `folder` is put in front of the keys of its objects. */
  open(archive: { readonly name: string; readonly folder: string }): ArchiveSearch;
  /**
   * Reports the events that were not found. Null: no archive could be read, so nothing is reported. An archive that was opened and
   * not ended could not be read, so any event may be in it.
   */
  conclude(report: (finding: Finding) => void): FoundReceipts | null;
}

/** Events with a receipt, and how many of them are in an archive as they were taken. */
export interface FoundReceipts {
  readonly events: number;
  readonly found: number;
}

/** The search in one archive. */
export interface ArchiveSearch {
  /** The ids of events that may be in this object: they were recorded in its time. */
  expectedIn(entry: BatchEntry): readonly string[];
  /** What was found in an object. */
  meet(entry: BatchEntry, lines: readonly MetLine[]): void;
  /** An object that the store refuses. Its events are not missing. */
  skip(entry: BatchEntry): void;
  /**
   * The archive was read. `newestLogged` is when the log named its newest batch. `isWhole`: every entry of the log was read; else an
   * entry that was not read may name the object of an event.
   */
  end(log: { readonly newestLogged: string | null; readonly isWhole: boolean }): void;
}

interface SearchedLog {
  readonly name: string;
  /** In ms since 1970. Null: the archive could not be read. */
  loggedMs: number | null;
  isWhole: boolean;
}

/** Where an event was met, with the hashes of its lines there. */
interface Place {
  readonly key: string;
  readonly lines: readonly string[];
}

/** An event whose receipt holds is either in an archive as it was taken, or somebody has removed or changed it, or it is too young. */
export function createReceiptSearch({ events, findings, delayMs }: ReadReceipts): ReceiptSearch {
  // A writer that sends an event again gets a second receipt for it.
  const unique = [...new Map(events.map((event) => [`${event.id} ${event.line}`, event])).values()];
  const byTime = unique.sort((a, b) => (a.recordedAt < b.recordedAt ? -1 : a.recordedAt > b.recordedAt ? 1 : 0));
  const met = new Map<string, Place>();
  /** Where an event may be that was not looked for, by its id. */
  const skipped = new Map<string, string>();
  const logs: SearchedLog[] = [];

  return {
    open({ name, folder }) {
      const log: SearchedLog = { name, loggedMs: null, isWhole: false };
      logs.push(log);
      return {
        expectedIn: (entry) => listExpected(byTime, entry),
        skip(entry) {
          for (const id of listExpected(byTime, entry)) skipped.set(id, `${folder}${entry.key}`);
        },
        meet({ key }, lines) {
          for (const { id, line } of lines)
            met.set(id, { key: `${folder}${key}`, lines: [...(met.get(id)?.lines ?? []), line] });
        },
        end({ newestLogged, isWhole }) {
          log.loggedMs = newestLogged === null ? Number.NEGATIVE_INFINITY : Date.parse(newestLogged);
          log.isWhole = isWhole;
        },
      };
    },
    conclude(report) {
      if (logs.every(({ loggedMs }) => loggedMs === null)) return null;
      for (const finding of findings) report(finding);
      const open = byTime.filter(({ id, line }) => !met.get(id)?.lines.includes(line));
      for (const event of open)
        report(judge(event, { met: met.get(event.id), skipped: skipped.get(event.id), logs, delayMs }));
      return { events: byTime.length, found: byTime.length - open.length };
    },
  };
}

/** What to say of an event that was not found as it was taken. */
function judge(
  { id, recordedAt }: ReceiptedEvent,
  {
    met,
    skipped,
    logs,
    delayMs,
  }: { met?: Place | undefined; skipped?: string | undefined; logs: readonly SearchedLog[]; delayMs: number },
): Finding {
  const taken = `The api took it at ${recordedAt}`;
  // An id can be in two cells, so an archive that was not read may have the event as it was taken.
  const unread = logs.filter(({ loggedMs }) => loggedMs === null);
  const otherwise = met === undefined ? '' : ` It has other content in ${met.key}.`;
  if (unread.length > 0)
    return partly(
      'receipt-unknown',
      id,
      `${taken}; it may be in ${listNames(unread)}, which could not be checked.${otherwise}`,
    );
  if (met !== undefined) return broken('receipt-differs', id, `${taken}; it has other content in ${met.key}.`);
  if (skipped !== undefined)
    return partly('receipt-pending', id, `${taken}; it may be in ${skipped}, which was not checked.`);
  if (!logs.every(({ isWhole }) => isWhole))
    return partly('receipt-pending', id, `${taken}; an entry of the log that cannot be read may name its object.`);
  const behind = logs.filter(({ loggedMs }) => Date.parse(recordedAt) + delayMs > (loggedMs ?? 0));
  if (behind.length === 0) return broken('receipt-missing', id, `${taken}; no object of the log has it.`);
  const which = logs.length === 1 ? '' : ` of ${listNames(behind)}`;
  return partly('receipt-pending', id, `${taken}. The log${which} may still name it.`);
}

function listNames(logs: readonly SearchedLog[]): string {
  return logs.map(({ name }) => name).join(' or ');
}

/** The ids of the events that were recorded in the time of an object. */
function listExpected(byTime: readonly ReceiptedEvent[], { recordedFirst, recordedLast }: BatchEntry): string[] {
  const ids: string[] = [];
  for (let at = findFirst(byTime, recordedFirst); at < byTime.length; at += 1) {
    const event = byTime[at] as ReceiptedEvent;
    if (event.recordedAt > recordedLast) break;
    ids.push(event.id);
  }
  return ids;
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
