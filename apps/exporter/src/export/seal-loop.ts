import { createSweep } from '@auditbox/core/export/sweep.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { type Sealed, type SealLimits, type SealRange, sealBatches } from '@auditbox/db/export/seal-batches.ts';
import { lastOutboxId } from '@auditbox/db/export/unexported.ts';
import { crashPoint } from '@auditbox/process/crash-point.ts';
import { type ExporterLog, logDatabaseError } from '../log.ts';
import type { ExportMetrics } from '../metrics/export-metrics.ts';
import type { Pace } from './pace.ts';

export interface SealLoop {
  /**
   * Seals batches until `taking` is aborted: again at once while there are some, otherwise when the oldest pending row has
   * lingered long enough, and at the pace.
   */
  run(taking: AbortSignal): Promise<void>;
  /** Polls read only rows above this outbox id; '0' until it is known. */
  readonly lowWater: string;
}

/** A poll reads the rows above a low-water mark. A sweep returns to the rows below it, which may commit late. */
export function createSealLoop({
  db,
  limits,
  pace,
  metrics,
  log,
  onSealed,
  onIteration,
}: {
  readonly db: Database;
  readonly limits: SealLimits;
  readonly pace: Pace;
  readonly metrics: ExportMetrics;
  readonly log: ExporterLog;
  /** Called after batches were sealed. */
  readonly onSealed: () => void;
  /** Called at each iteration, for the liveness check. */
  readonly onIteration: () => void;
}): SealLoop {
  const sweep = createSweep(() => performance.now());
  let lowWater: string | null = null;

  async function seal(range: SealRange): Promise<Sealed> {
    const startedAt = performance.now();
    const sealed = await sealBatches(db, limits, range);
    const { batches, rows, quarantined } = sealed;
    if (batches > 0) metrics.took('seal', (performance.now() - startedAt) / 1000);
    if (quarantined > 0) log.rowsTooLarge(quarantined);
    if (batches > 0) log.batchesSealed({ batches, rows });
    return sealed;
  }

  /** Seals the slice that is due; null when none is due, or when it failed. A slice that fails does not stop the poll. */
  async function sweepOnce(mark: string): Promise<Sealed | null> {
    const slice = sweep.next(mark);
    if (slice === null) return null;
    const startedAt = performance.now();
    try {
      const sealed = await seal(slice);
      const { looked, batches, quarantined, seenUpTo } = sealed;
      if (looked) sweep.finished({ tookSome: batches + quarantined > 0, seenUpTo, ms: performance.now() - startedAt });
      else sweep.notNow();
      return sealed;
    } catch (error) {
      sweep.failed();
      logDatabaseError(log, error);
      return null;
    }
  }

  async function iterate(): Promise<Iteration> {
    lowWater ??= await lastOutboxId(db);
    crashPoint('exporter before the seal');
    const swept = await sweepOnce(lowWater);
    // Rows that still linger below the mark wait together with newer ones.
    if (swept?.batches === 0 && swept.ripeInMs !== null && isBelow(swept.seenUpTo, lowWater)) lowWater = swept.seenUpTo;
    const polled = await seal({ after: lowWater });
    lowWater = polled.seenUpTo;
    const sealedSome = (swept?.batches ?? 0) + polled.batches > 0;
    if (sealedSome) crashPoint('exporter after the seal');
    return { sealedSome, waitMs: Math.min(polled.ripeInMs ?? Number.POSITIVE_INFINITY, sweep.dueInMs()) };
  }

  return {
    get lowWater() {
      return lowWater ?? '0';
    },
    async run(taking) {
      while (!taking.aborted) {
        onIteration();
        let next: Iteration = { sealedSome: false, waitMs: Number.POSITIVE_INFINITY };
        try {
          next = await iterate();
        } catch (error) {
          logDatabaseError(log, error);
        }
        if (next.sealedSome) {
          pace.busy();
          onSealed();
        } else {
          await pace.wait(taking, next.waitMs);
        }
      }
    },
  };
}

/** `waitMs` is how long the next iteration may wait after one that sealed nothing. */
interface Iteration {
  readonly sealedSome: boolean;
  readonly waitMs: number;
}

function isBelow(id: string, other: string): boolean {
  return BigInt(id) < BigInt(other);
}
