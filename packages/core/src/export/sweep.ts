/** Outbox ids to look at: behind `after`, up to `upTo`. */
interface Slice {
  readonly after: string;
  readonly upTo: string;
}

/** What a look at a slice came to. */
interface SliceLook {
  /** Whether rows were taken, so that there may be more. */
  readonly tookSome: boolean;
  readonly seenUpTo: string;
  readonly ms: number;
}

/**
 * Goes through the ids that the polls have left behind, round after round, for rows that committed late with a low id or
 * came out of quarantine; the first round is for what was there before the process. It goes slice by slice: the index of
 * pending rows keeps an entry for every row that was sealed since the oldest snapshot that is open anywhere, and when
 * one is held for hours, a look at all of them would outlast any deadline. While looks are quick, a slice is all.
 */
export interface Sweep {
  /** How long until a slice is due. */
  dueInMs(): number;
  /** The slice that is due now, or null. `lowWater` is where the polls begin. */
  next(lowWater: string): Slice | null;
  /** What a look at that slice came to. */
  looked(look: SliceLook): void;
  /** The slice was not looked at, for another sealer was at work: it is due again a little later. */
  notNow(): void;
  /** The look failed, perhaps for taking too long: a smaller slice is due from there a little later. */
  failed(): void;
}

/** From the end of one round to the beginning of the next. */
const restMs = 5_000;
/** What a look should take, and the longest share of time that is spent with looking. */
const lookMs = 50;
const share = 1 / 20;
const leastIds = 10_000;

/** `now` is a clock that never goes back, in milliseconds. */
export function createSweep(now: () => number): Sweep {
  let after = 0;
  let upTo = 0;
  let isLastOfRound = false;
  let isFirstRound = true;
  let ids = 1_000_000;
  let dueAt = now();

  function endRound(breathMs: number): void {
    after = 0;
    isFirstRound = false;
    dueAt = now() + Math.max(breathMs, restMs);
  }

  return {
    dueInMs: () => Math.max(0, dueAt - now()),
    next(lowWater) {
      if (now() < dueAt) return null;
      const end = Number(lowWater);
      upTo = Math.min(end, after + Math.round(ids));
      isLastOfRound = upTo >= end;
      if (upTo > after) return { after: String(after), upTo: String(upTo) };
      endRound(0);
      return null;
    },
    looked({ tookSome, seenUpTo, ms }) {
      if (tookSome) {
        after = Number(seenUpTo);
        return;
      }
      // A slice that ended at the low-water mark says nothing about larger ones.
      const factor = Math.max(0.1, Math.min(isLastOfRound ? 1 : 2, lookMs / ms));
      ids = Math.max(leastIds, ids * factor);
      after = upTo;
      const breathMs = isFirstRound ? 0 : ms / share;
      dueAt = now() + breathMs;
      if (isLastOfRound) endRound(breathMs);
    },
    notNow() {
      dueAt = now() + lookMs;
    },
    failed() {
      ids = Math.max(leastIds, Math.min(ids, upTo - after) / 10);
      dueAt = now() + restMs;
    },
  };
}
