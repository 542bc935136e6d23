import { counted } from '@auditbox/core/text/counted.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import {
  closeMonth,
  countUnarchived,
  dropMonth,
  type ExpiredMonth,
  findAwaitingHistory,
  listExpiredMonths,
} from '@auditbox/db/months/expired-months.ts';
import { sleep } from '@auditbox/process/sleep.ts';
import type { DestinationError } from '../destinations/destination.ts';
import { readBackMonth } from './read-back.ts';

/** What became of a month. `removed` in a dry run: it would have been. */
export type MonthResult =
  | { readonly kind: 'removed'; readonly objects: number; readonly rows: number }
  | { readonly kind: 'kept'; readonly reason: string }
  /** Another run removed it. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'stopped' }
  | DestinationError;

type Parts = Parameters<typeof readBackMonth>[0];

/** A lock on the month is waited for half a second, because writers queue behind it. So it is tried often. */
const lockTries = 20;
const lockRetryMs = 500;
const lockNotAvailable = '55P03';

/**
 * Closes a month to writers, checks that all of its events are archived, reads its objects back, and drops it. A dry run
 * does not close or drop anything.
 */
export async function removeMonth(
  parts: Parts,
  month: ExpiredMonth,
  options: { dryRun: boolean },
  signal: AbortSignal,
): Promise<MonthResult> {
  try {
    const result = await checkAndDrop(parts, month, options, signal);
    // Its rows may have been dropped while they were compared.
    return result.kind === 'kept' && (await isGone(parts, month)) ? { kind: 'gone' } : result;
  } catch (error) {
    // Its table may have been dropped before any statement.
    if (!(error instanceof DatabaseError) || !(await isGone(parts, month))) throw error;
    return { kind: 'gone' };
  }
}

async function isGone({ db }: Parts, month: ExpiredMonth): Promise<boolean> {
  const expired = await listExpiredMonths(db, 0);
  return !expired.some(({ name }) => name === month.name);
}

async function checkAndDrop(
  parts: Parts,
  month: ExpiredMonth,
  { dryRun }: { dryRun: boolean },
  signal: AbortSignal,
): Promise<MonthResult> {
  const { db, destinationName } = parts;
  if (!dryRun && !month.isClosed) await untilUnlocked(() => closeMonth(db, month), signal);
  const reason = await whyKept(parts, month);
  if (reason !== null) return { kind: 'kept', reason };
  const archive = await readBackMonth(parts, month, signal);
  if (archive.kind === 'different') return { kind: 'kept', reason: archive.reason };
  if (archive.kind !== 'same') return archive;
  // Reading back took a while, so the database looks again, while no destination can change.
  const isDropped = dryRun || (await untilUnlocked(() => dropMonth(db, month, destinationName), signal));
  if (isDropped) return { ...archive, kind: 'removed' };
  const newReason = await whyKept(parts, month);
  return {
    kind: 'kept',
    reason: newReason ?? 'Some of its events were not archived at every destination for a moment.',
  };
}

async function whyKept({ db, destinationName }: Parts, month: ExpiredMonth): Promise<string | null> {
  const unarchived = await countUnarchived(db, month, destinationName);
  if (unarchived > 0) return describe(unarchived);
  const awaiting = await findAwaitingHistory(db, month);
  return awaiting === null ? null : describeAwaiting(awaiting);
}

function describeAwaiting(destination: string): string {
  return `The history of ${destination} is still being added. If no exporter has it in its configuration any more, remove it.`;
}

function describe(events: number): string {
  return events === 1
    ? '1 event is not archived at every destination.'
    : `${counted(events, 'event is', 'events are')} not archived at every destination.`;
}

async function untilUnlocked<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let triesLeft = lockTries - 1; ; triesLeft -= 1) {
    try {
      return await work();
    } catch (error) {
      const isLocked = error instanceof DatabaseError && error.code === lockNotAvailable;
      if (!isLocked || triesLeft === 0 || signal.aborted) throw error;
      await sleep(lockRetryMs, signal);
    }
  }
}
