import type { Database } from '@auditbox/db/database/connect.ts';
import type { EventFilter } from '@auditbox/db/queries/event-filter.ts';
import { HiddenSessionsError, recordedEdge } from '@auditbox/db/queries/recorded-edge.ts';
import { sleep } from '@auditbox/process/sleep.ts';

/** How far the clocks of callers and of the database may be apart. */
const nowToleranceMs = 60_000;
const marginMs = 100;
const checkEveryMs = 20;
const longestWaitMs = 2_000;

/**
 * For pollers by event time, as SIEMs poll LiteLLM: from the newest event time that they know to now. An event whose time
 * is that of its recording appears when its transaction commits. That may be after a later event was seen, and the next
 * poll would begin after it. So a query from one time to about now waits until no event up to its end can appear any more.
 * If a transaction runs longer than the wait, the query ends before that transaction.
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
  try {
    let edge = await recordedEdge(primary, marginMs);
    while (edge <= occurredTo && Date.parse(edge) < startedAt && Date.now() - startedAt < longestWaitMs) {
      await sleep(checkEveryMs, new AbortController().signal);
      edge = await recordedEdge(primary, marginMs);
    }
    return edge > occurredTo ? occurredTo : edge;
  } catch (error) {
    // These pollers then get the same answers as from LiteLLM. Pollers by recording get the error.
    if (error instanceof HiddenSessionsError) return null;
    throw error;
  }
}
