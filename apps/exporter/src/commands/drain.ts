import { sealBatches } from '@auditbox/db/export/seal-batches.ts';
import { findUnexported, lastOutboxId, type Unexported } from '@auditbox/db/export/unexported.ts';
import type { Shutdown } from '@auditbox/process/shutdown.ts';
import { sleep } from '@auditbox/process/sleep.ts';
import type { Exporter } from '../compose.ts';
import { probeDestination } from '../destinations/probe.ts';
import { runUploadLoop } from '../export/upload-loop.ts';

/** How often a drain looks whether anything is left, and tells that it still works. */
const lookEveryMs = 100;
const tellEveryMs = 5_000;

/** A store that takes nothing for this long, for whatever reason, is left to the next drain. */
const giveUpAfterMs = 60_000;

/**
 * Seals what is pending at its start without lingering, uploads it, and resolves to an exit code: 0 when nothing of it
 * is left, 1 when the destination refuses everything or takes nothing for a minute, 2 when failed batches or quarantined rows are left, or it was
 * told to stop. What is recorded meanwhile is left to the next drain, or it would never end beside a busy writer.
 */
export async function drain(exporter: Exporter, { taking, working }: Shutdown): Promise<number> {
  const { db, logger, gate, sealLimits, uploads } = exporter;
  const upTo = await lastOutboxId(db);
  const atStart = await findUnexported(db, upTo);
  if (isExported(atStart)) return conclude(exporter, atStart);
  if ((await probeDestination(exporter, taking)) === 'blocked') return 1;
  const finished = new AbortController();
  const uploading = runUploadLoop(uploads, AbortSignal.any([taking, finished.signal]), working);
  let toldAt = performance.now();
  let after = '0';
  try {
    while (!taking.aborted) {
      const { batches, seenUpTo } = await sealBatches(db, { ...sealLimits, lingerMs: 0 }, { after, upTo });
      after = batches > 0 ? seenUpTo : '0';
      if (batches > 0) {
        uploads.pace.wake();
        continue;
      }
      const left = await findUnexported(db, upTo);
      if (isExported(left)) return conclude(exporter, left);
      if (gate.blockedReason !== null || gate.closedForMs > giveUpAfterMs) return 1;
      if (performance.now() - toldAt > tellEveryMs) {
        logger.info('Draining; some batches are still under way.');
        toldAt = performance.now();
      }
      await sleep(lookEveryMs, taking);
    }
    logger.warn('Told to stop before everything was exported.');
    return 2;
  } finally {
    finished.abort();
    await uploading;
  }
}

function isExported({ anyPending, anyInFlight }: Unexported): boolean {
  return !anyPending && !anyInFlight;
}

function conclude({ logger }: Exporter, { failedBatches, quarantinedRows }: Unexported): number {
  if (failedBatches === 0 && quarantinedRows === 0) {
    logger.info('Everything is exported.');
    return 0;
  }
  logger.warn({ failedBatches, quarantinedRows }, 'The rest is exported; these wait for --replay-failed.');
  return 2;
}
