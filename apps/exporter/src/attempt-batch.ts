import type { LeasedBatch } from '@auditbox/core/batch.ts';
import { type Backoff, retryDelayMs } from '@auditbox/core/retry-delay.ts';
import { databaseFault, describeFault } from '@auditbox/db/database-error.ts';
import { failBatch } from '@auditbox/db/export/fail-batch.ts';
import { releaseBatch } from '@auditbox/db/export/release-batch.ts';
import type { Logger } from 'pino';
import { type ExportDependencies, type ExportOutcome, exportBatch } from './export-batch.ts';
import type { PassResult } from './gate.ts';
import type { SinkRefusal } from './sink/sink.ts';

export interface AttemptDependencies extends ExportDependencies {
  readonly backoff: Backoff;
  readonly logger: Logger;
}

/**
 * One attempt at a leased batch and what follows from it: done, back to sealed with a wait, or failed. Returns what the
 * destination's gate should know. Throws database faults; the lease then runs out by itself.
 */
export async function attemptBatch(
  deps: AttemptDependencies,
  batch: LeasedBatch,
  working: AbortSignal,
): Promise<PassResult> {
  const startedAt = performance.now();
  const outcome = await exportOrRelease(deps, batch, working);
  if (outcome.kind !== 'refused') {
    logOutcome(deps.logger, batch, outcome, Math.round(performance.now() - startedAt));
    return 'reached';
  }
  if (!working.aborted) return settleRefusal(deps, batch, outcome);
  // We broke the upload off ourselves; the store said nothing.
  await releaseBatch(deps.db, batch, { delayMs: 0, countsAsAttempt: false, error: null });
  return 'not tried';
}

/** A database fault on the way gives the lease back at once, if the database can still be told. */
async function exportOrRelease(
  deps: AttemptDependencies,
  batch: LeasedBatch,
  working: AbortSignal,
): Promise<ExportOutcome> {
  try {
    return await exportBatch(deps, batch, working);
  } catch (error) {
    const fault = databaseFault(error);
    if (fault === null) throw error;
    const delayMs = retryDelayMs(batch.attempts, deps.backoff, Math.random());
    const release = { delayMs, countsAsAttempt: true, error: describeFault(fault) };
    await releaseBatch(deps.db, batch, release).catch(() => false);
    throw error;
  }
}

function logOutcome(
  logger: Logger,
  batch: LeasedBatch,
  outcome: Exclude<ExportOutcome, SinkRefusal>,
  ms: number,
): void {
  const about = { batch: batch.id, partition: batch.partition, rows: batch.rowCount, attempt: batch.attempts, ms };
  switch (outcome.kind) {
    case 'done': {
      const { key, bytes, objectBytes } = outcome;
      logger.info({ ...about, key, bytes, objectBytes }, 'Batch exported.');
      return;
    }
    case 'lease lost':
      logger.warn(about, 'The lease was lost; another exporter has the batch.');
      return;
    case 'quarantined':
      logger.error(
        { ...about, quarantined: outcome.rows, reason: outcome.reason },
        'Rows quarantined; the rest goes on.',
      );
      return;
    default:
      outcome satisfies never;
  }
}

async function settleRefusal(deps: AttemptDependencies, batch: LeasedBatch, refusal: SinkRefusal): Promise<PassResult> {
  const { db, backoff, logger } = deps;
  const { class: errorClass, code, message } = refusal;
  const about = { batch: batch.id, partition: batch.partition, attempt: batch.attempts, code };
  if (errorClass === 'permanent') {
    logger.error(about, `Batch failed; it waits for --replay-failed: ${message}`);
    await failBatch(db, batch, message);
    return 'reached';
  }
  if (errorClass === 'transient') {
    const delayMs = retryDelayMs(batch.attempts, backoff, Math.random());
    logger.warn({ ...about, delayMs }, `Upload failed, to be tried again: ${message}`);
    await releaseBatch(db, batch, { delayMs, countsAsAttempt: true, error: message });
  } else {
    // The gate paces the probes, so the batch itself is due at once when the destination is well again.
    await releaseBatch(db, batch, { delayMs: 0, countsAsAttempt: false, error: message });
  }
  return { class: errorClass, reason: message };
}
