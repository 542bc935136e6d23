import type { Database } from '@auditbox/db/database/connect.ts';
import { type Sealed, type SealLimits, sealBatches } from '@auditbox/db/export/seal-batches.ts';
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
}

export function createSealLoop({
  db,
  limits,
  pace,
  metrics,
  log,
  onSealed,
  isHeld,
  onIteration,
}: {
  readonly db: Database;
  readonly limits: SealLimits;
  readonly pace: Pace;
  readonly metrics: ExportMetrics;
  readonly log: ExporterLog;
  /** Called after batches were sealed. */
  readonly onSealed: () => void;
  /** Whether nothing may be sealed for now. */
  readonly isHeld: () => boolean;
  /** Called at each iteration, for the liveness check. */
  readonly onIteration: () => void;
}): SealLoop {
  async function seal(): Promise<Sealed> {
    crashPoint('exporter before the seal');
    const startedAt = performance.now();
    const sealed = await sealBatches(db, limits);
    const { batches, rows, repaired } = sealed;
    if (repaired) log.frontierRepaired();
    if (batches === 0) return sealed;
    metrics.took('seal', (performance.now() - startedAt) / 1000);
    log.batchesSealed({ batches, rows });
    crashPoint('exporter after the seal');
    return sealed;
  }

  return {
    async run(taking) {
      while (!taking.aborted) {
        onIteration();
        let waitMs = Number.POSITIVE_INFINITY;
        if (isHeld()) {
          await pace.wait(taking);
          continue;
        }
        try {
          const { batches, ripeInMs, repaired } = await seal();
          if (batches > 0) {
            pace.busy();
            onSealed();
            continue;
          }
          if (ripeInMs !== null && !repaired) waitMs = ripeInMs;
        } catch (error) {
          logDatabaseError(log, error);
        }
        await pace.wait(taking, waitMs);
      }
    },
  };
}
