import type { Database } from '@auditbox/db/database/connect.ts';
import type { EventFilter } from '@auditbox/db/queries/event-filter.ts';
import { findRunningWriters, oldestStart } from '@auditbox/db/queries/running-writers.ts';
import { sleep } from '@auditbox/process/sleep.ts';

/** How far the clocks of callers and of the database may be apart. */
const nowToleranceMs = 60_000;
/** A statement has the lock of its table this long after its time began. */
const marginMs = 100;
const checkEveryMs = 20;
const longestWaitMs = 2_000;

/**
 * For pollers by event time, as SIEMs poll LiteLLM: from the newest event time that they know to now. An event whose time
 * is that of its recording appears when its transaction commits. That may be after a later event was seen, and the next
 * poll would begin after it. So a query from one time to about now waits until the transactions that write now have ended.
 * If one of them runs longer than the wait, the query ends before the oldest transaction.
 *
 * Resolves to the end of the query, in ISO 8601; null if the query is not such a poll. Needs the primary.
 */
export async function awaitPollEnd(
  { occurredFrom, occurredTo }: EventFilter,
  primary: Database,
): Promise<string | null> {
  const startedAt = Date.now();
  if (occurredFrom === undefined || occurredTo === undefined) return null;
  if (Math.abs(Date.parse(occurredTo) - startedAt) > nowToleranceMs || Date.parse(occurredFrom) > startedAt)
    return null;
  const { now } = await findRunningWriters(primary);
  const end = occurredTo < now ? occurredTo : now;
  await wait(marginMs);
  const { writers } = await findRunningWriters(primary);
  for (let running = writers; running.size > 0; ) {
    if (Date.now() - startedAt > longestWaitMs) {
      const oldest = await oldestStart(primary);
      return oldest !== null && oldest < end ? oldest : end;
    }
    await wait(checkEveryMs);
    running = (await findRunningWriters(primary)).writers.intersection(writers);
  }
  return end;
}

async function wait(ms: number): Promise<void> {
  await sleep(ms, new AbortController().signal);
}
