import type { EventFilter } from '@auditbox/db/queries/event-filter.ts';
import { HiddenSessionsError } from '@auditbox/db/queries/recorded-edge.ts';
import { sleep } from '@auditbox/process/sleep.ts';

export interface SettleDependencies {
  /** The recorded time before which nothing can appear any more; asked of the primary. */
  readonly recordedEdge: (marginMs: number) => Promise<string>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** How far clocks of callers and of the database may be apart. */
const aboutNowMs = 60_000;
const marginMs = 100;
const lookEveryMs = 20;
const longestMs = 2_000;

/**
 * For pollers by event time, as SIEMs poll LiteLLM: from the newest event time that they know to now. An event whose time
 * is that of its recording appears when its transaction commits, which may be after a later one's did, and the next
 * poll would begin behind it. So a question from one time to about now waits a moment, until nothing up to then can
 * appear any more, and where a transaction takes longer it ends before that. Null: the question is none of these.
 */
export async function settle(
  { occurredFrom, occurredTo }: EventFilter,
  { recordedEdge, now }: SettleDependencies,
): Promise<{ readonly occurredTo: string } | null> {
  const askedAt = now();
  if (occurredFrom === undefined || occurredTo === undefined) return null;
  if (Math.abs(Date.parse(occurredTo) - askedAt) > aboutNowMs || Date.parse(occurredFrom) > askedAt) return null;
  try {
    return { occurredTo: await settledUpTo(occurredTo, askedAt, { recordedEdge, now }) };
  } catch (error) {
    // Then such pollers get what LiteLLM gives them; those by recording are told.
    if (error instanceof HiddenSessionsError) return null;
    throw error;
  }
}

async function settledUpTo(
  occurredTo: string,
  askedAt: number,
  { recordedEdge, now }: SettleDependencies,
): Promise<string> {
  let edge = await recordedEdge(marginMs);
  while (edge <= occurredTo && Date.parse(edge) < askedAt && now() - askedAt < longestMs) {
    await sleep(lookEveryMs, new AbortController().signal);
    edge = await recordedEdge(marginMs);
  }
  return edge > occurredTo ? occurredTo : edge;
}
