import type { Database } from '@auditbox/db/database/connect.ts';
import { workForAll } from '@auditbox/db/database/holder.ts';
import type { EventFilter } from '@auditbox/db/queries/event-filter.ts';
import { findRunningWriters, oldestStart, type RunningWriters } from '@auditbox/db/queries/running-writers.ts';
import { gather } from '@auditbox/process/gather.ts';
import { sleep } from '@auditbox/process/sleep.ts';

/** How far the clocks of callers and of the database may be apart. */
const nowToleranceMs = 60_000;
/** A statement has the lock of its table this long after its time began. */
const marginMs = 100;
const checkEveryMs = 20;
const longestWaitMs = 2_000;

export type PollEnd = (filter: EventFilter) => Promise<string | null>;

/**
 * For pollers by event time, as SIEMs poll LiteLLM: from the newest event time that they know to now. An event whose time
 * is that of its recording appears when its transaction commits. That may be after a later event was seen, and the next
 * poll would begin after it. So a query from one time to about now waits until the transactions that write now have ended.
 * If one of them runs longer than the wait, the query ends before the oldest transaction.
 *
 * The result resolves to the end of the query, in ISO 8601; null if the query is not such a poll.
 */
export function createPollEnd(primary: Database): PollEnd {
  /**
   * Every event whose time came from the database before this is visible. Later pages of a poll need no wait. It is never behind
   * the end of a poll: the clock of the database may be ahead by hours, and callers have their own.
   */
  let completeUntil = '';
  // Polls that wait share each look at the running transactions.
  const shareWriters = gather(async (asked: readonly null[]) => {
    const found = await workForAll(() => findRunningWriters(primary));
    return asked.map(() => found);
  });
  const findWriters = () => shareWriters(null);

  return async ({ occurredFrom, occurredTo }) => {
    const startedAt = Date.now();
    if (occurredFrom === undefined || occurredTo === undefined) return null;
    if (Math.abs(Date.parse(occurredTo) - startedAt) > nowToleranceMs || Date.parse(occurredFrom) > startedAt)
      return null;
    if (occurredTo <= completeUntil) return occurredTo;
    const { now } = await findWriters();
    // At least as much as the clock of the database is ahead; a little more, for the way there.
    const aheadMs = Math.max(0, Date.parse(now) - startedAt);
    const isComplete = await awaitWriters(findWriters, startedAt + longestWaitMs);
    const oldest = isComplete ? now : await oldestStart(primary);
    // Of two clocks the earlier one: events have the time of the database, or that of their caller.
    const end = isComplete || oldest === null ? oldest : setBack(oldest, aheadMs);
    const last = end === null || occurredTo < end ? occurredTo : end;
    if (isComplete && last > completeUntil) completeUntil = last;
    return last;
  };
}

/** False if a transaction that writes runs until the deadline, by Date.now(). */
async function awaitWriters(findWriters: () => Promise<RunningWriters>, deadline: number): Promise<boolean> {
  await wait(marginMs);
  const { writers } = await findWriters();
  for (let running = writers; running.size > 0; ) {
    if (Date.now() > deadline) return false;
    await wait(checkEveryMs);
    running = (await findWriters()).writers.intersection(writers);
  }
  return true;
}

/** An instant with six fraction digits, `ms` earlier. Zero returns it unchanged. */
function setBack(instant: string, ms: number): string {
  return ms === 0 ? instant : new Date(Date.parse(instant) - ms).toISOString().replace('Z', '000Z');
}

async function wait(ms: number): Promise<void> {
  await sleep(ms, new AbortController().signal);
}
