import { createSweep, type Sweep } from '@auditbox/core/export/sweep.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { type Sealed, type SealLimits, type SealRange, sealBatches } from '@auditbox/db/export/seal-batches.ts';
import { lastOutboxId } from '@auditbox/db/export/unexported.ts';
import { crashPoint } from '@auditbox/process/crash-point.ts';
import type { Logger } from 'pino';
import type { ExportMetrics } from '../metrics/export-metrics.ts';
import { logDatabaseFault } from './log-database-fault.ts';
import type { PollPace } from './poll-pace.ts';

export interface SealLoop {
  readonly db: Database;
  readonly limits: SealLimits;
  readonly pace: PollPace;
  readonly logger: Logger;
  readonly metrics: ExportMetrics;
  /** Called after batches were sealed. */
  readonly onSealed: () => void;
  /** Called at each turn, for the liveness check, with the outbox id behind which polls look, if known. */
  readonly onTurn: (lowWater: string | null) => void;
}

/**
 * Seals batches until `taking` is aborted: at once again while there are some, else when the oldest row that waits has
 * lingered enough, and at the pace. A poll looks behind a low-water mark, the sweep at what is below it.
 */
export async function runSealLoop(loop: SealLoop, taking: AbortSignal): Promise<void> {
  const { db, pace, logger, onSealed, onTurn } = loop;
  const sweep = createSweep(() => performance.now());
  let lowWater: string | null = null;
  while (!taking.aborted) {
    onTurn(lowWater);
    let waitMs = Number.POSITIVE_INFINITY;
    try {
      lowWater ??= await lastOutboxId(db);
      crashPoint('exporter before the seal');
      const swept = await sweepOnce(loop, sweep, lowWater);
      // Rows that still linger there wait together with newer ones.
      if (swept?.batches === 0 && swept.ripeInMs !== null && isBelow(swept.seenUpTo, lowWater))
        lowWater = swept.seenUpTo;
      const polled = await seal(loop, { after: lowWater });
      lowWater = polled.seenUpTo;
      if ((swept?.batches ?? 0) + polled.batches > 0) {
        crashPoint('exporter after the seal');
        pace.busy();
        onSealed();
        continue;
      }
      waitMs = Math.min(polled.ripeInMs ?? waitMs, sweep.dueInMs());
    } catch (error) {
      logDatabaseFault(logger, error);
    }
    await pace.wait(taking, waitMs);
  }
}

/** What sealing the slice that is due came to; null when none is. A slice that fails costs no poll. */
async function sweepOnce(loop: SealLoop, sweep: Sweep, lowWater: string): Promise<Sealed | null> {
  const slice = sweep.next(lowWater);
  if (slice === null) return null;
  const startedAt = performance.now();
  try {
    const sealed = await seal(loop, slice);
    const { looked, batches, quarantined, seenUpTo } = sealed;
    if (looked) sweep.finished({ tookSome: batches + quarantined > 0, seenUpTo, ms: performance.now() - startedAt });
    else sweep.notNow();
    return sealed;
  } catch (error) {
    sweep.failed();
    logDatabaseFault(loop.logger, error);
    return null;
  }
}

function isBelow(id: string, other: string): boolean {
  return BigInt(id) < BigInt(other);
}

async function seal({ db, limits, logger, metrics }: SealLoop, range: SealRange): Promise<Sealed> {
  const startedAt = performance.now();
  const sealed = await sealBatches(db, limits, range);
  const { batches, rows, quarantined } = sealed;
  if (batches > 0) metrics.took('seal', (performance.now() - startedAt) / 1000);
  if (quarantined > 0) logger.error({ quarantined }, 'Rows over EXPORT_BATCH_MAX_BYTES quarantined.');
  if (batches > 0) logger.debug({ batches, rows }, 'Batches sealed.');
  return sealed;
}
