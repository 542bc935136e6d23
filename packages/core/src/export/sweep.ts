/** Outbox ids to read: greater than `after`, up to and including `upTo`. */
interface Slice {
  readonly after: string;
  readonly upTo: string;
}

/** Result of reading a slice. */
interface SliceResult {
  /** Whether rows were sealed or quarantined. If so, the slice may hold more. */
  readonly tookSome: boolean;
  readonly seenUpTo: string;
  readonly ms: number;
}

/**
 * Reads the ids below the low-water mark again, round after round, because the polls start above it. It finds rows that
 * committed late with a low id and rows that left quarantine. The first round finds rows from before the process started.
 *
 * A round is cut into slices. The index of pending rows keeps an entry for every row sealed since the oldest open
 * snapshot. When a snapshot stays open for hours, reading all entries at once would exceed any deadline. While reads are
 * quick, one slice covers the whole round.
 */
export interface Sweep {
  /** Milliseconds until a slice is due. */
  dueInMs(): number;
  /** The slice that is due now, or null. The polls read the ids above `lowWater`. */
  next(lowWater: string): Slice | null;
  /** The slice was read. */
  finished(result: SliceResult): void;
  /** The slice was not read because another sealer was active. It is due again a little later. */
  notNow(): void;
  /** Reading failed, perhaps because it took too long. A smaller slice from the same id is due a little later. */
  failed(): void;
}

/** Pause between two rounds. */
const restMs = 5_000;
/** Intended duration of one read, and the largest share of time spent on reads after the first round. */
const readMs = 50;
const share = 1 / 20;
const minIds = 10_000;

/** `now` is a clock that never goes back, in milliseconds. */
export function createSweep(now: () => number): Sweep {
  let after = 0;
  let upTo = 0;
  let isLastOfRound = false;
  let isFirstRound = true;
  let ids = 1_000_000;
  let dueAt = now();

  function endRound(pauseMs: number): void {
    after = 0;
    isFirstRound = false;
    dueAt = now() + Math.max(pauseMs, restMs);
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
    finished({ tookSome, seenUpTo, ms }) {
      if (tookSome) {
        after = Number(seenUpTo);
        return;
      }
      // A slice that was cut at the low-water mark does not show how long a larger one would take.
      const factor = Math.max(0.1, Math.min(isLastOfRound ? 1 : 2, readMs / ms));
      ids = Math.max(minIds, ids * factor);
      after = upTo;
      const pauseMs = isFirstRound ? 0 : ms / share;
      dueAt = now() + pauseMs;
      if (isLastOfRound) endRound(pauseMs);
    },
    notNow() {
      dueAt = now() + readMs;
    },
    failed() {
      ids = Math.max(minIds, Math.min(ids, upTo - after) / 10);
      dueAt = now() + restMs;
    },
  };
}
