import type { Database } from '@auditbox/db/connect.ts';
import { type SealLimits, sealBatches } from '@auditbox/db/export/seal-batches.ts';
import { crashPoint } from '@auditbox/process/crash-point.ts';
import type { Logger } from 'pino';
import { logDatabaseFault } from './log-database-fault.ts';
import type { PollPace } from './poll-pace.ts';

/** A full look at all pending rows this often: it finds rows that committed late with a low id. */
const sweepEveryMs = 5_000;

export interface SealLoop {
  readonly db: Database;
  readonly limits: SealLimits;
  readonly pace: PollPace;
  readonly logger: Logger;
  /** Called after batches were sealed. */
  readonly onSealed: () => void;
  /** Called at each turn, for the liveness check. */
  readonly onTurn: () => void;
}

/** Seals batches until `taking` is aborted: at once again while there are some, else at the pace. */
export async function runSealLoop(loop: SealLoop, taking: AbortSignal): Promise<void> {
  const { db, limits, pace, logger, onSealed, onTurn } = loop;
  let after = '0';
  let sweptAt = performance.now();
  while (!taking.aborted) {
    onTurn();
    if (performance.now() - sweptAt > sweepEveryMs) {
      after = '0';
      sweptAt = performance.now();
    }
    try {
      crashPoint('exporter before the seal');
      const { batches, rows, quarantined, seenUpTo } = await sealBatches(db, limits, { after });
      after = seenUpTo;
      if (quarantined > 0) logger.error({ quarantined }, 'Rows over EXPORT_BATCH_MAX_BYTES quarantined.');
      if (batches > 0) {
        crashPoint('exporter after the seal');
        logger.debug({ batches, rows }, 'Batches sealed.');
        pace.busy();
        onSealed();
        continue;
      }
    } catch (error) {
      logDatabaseFault(logger, error);
    }
    await pace.wait(taking);
  }
}
