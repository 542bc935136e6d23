import type { LeasedBatch } from '@auditbox/core/export/batch.ts';
import { type Backoff, retryDelayMs } from '@auditbox/core/export/retry-delay.ts';
import { toDatabaseError } from '@auditbox/db/database/database-error.ts';
import { failBatch } from '@auditbox/db/export/fail-batch.ts';
import { releaseBatch } from '@auditbox/db/export/release-batch.ts';
import type { Tracing } from '@auditbox/process/tracing.ts';
import type { Logger } from 'pino';
import type { SinkRefusal } from '../destinations/destination.ts';
import type { PassResult } from './destination-gate.ts';
import { type ExportDependencies, type ExportOutcome, exportBatch } from './export-batch.ts';

export interface AttemptDependencies extends ExportDependencies {
  readonly backoff: Backoff;
  readonly logger: Logger;
  readonly tracing: Tracing | null;
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
  const { db, logger, metrics } = deps;
  const startedAt = performance.now();
  const outcome = await exportOrRelease(deps, batch, working);
  const ms = Math.round(performance.now() - startedAt);
  const about = { batch: batch.id, partition: batch.partition, rows: batch.rowCount, attempt: batch.attempts, ms };
  const isBrokenOff = outcome.kind === 'refused' && working.aborted;
  metrics.attempted(isBrokenOff ? 'broken off' : outcome.kind);
  switch (outcome.kind) {
    case 'done':
      metrics.exported(batch, outcome.sizes);
      logger.info({ ...about, key: outcome.key }, 'Batch exported.');
      return 'reached';
    case 'lease lost':
      logger.warn(about, 'The lease was lost; another exporter has the batch.');
      return 'not tried';
    case 'quarantined':
      logger.error(
        { ...about, quarantined: outcome.rows, reason: outcome.reason },
        'Rows quarantined; the rest goes on.',
      );
      return 'not tried';
    case 'not rendered':
      logger.warn(about, `The batch could not be rendered, to be tried again: ${outcome.reason}`);
      await releaseForLater(deps, batch, outcome.reason);
      return 'not tried';
    case 'refused':
      if (!isBrokenOff) return settleRefusal(deps, batch, outcome);
      // We broke the upload off ourselves; the store said nothing.
      await releaseBatch(db, batch, { delayMs: 0, countsAsAttempt: false, error: null });
      return 'not tried';
    default:
      return outcome satisfies never;
  }
}

/** A database fault on the way gives the lease back at once, if the database can still be told. */
async function exportOrRelease(
  deps: AttemptDependencies,
  batch: LeasedBatch,
  working: AbortSignal,
): Promise<ExportOutcome> {
  const { id, partition, rowCount, attempts } = batch;
  const about = {
    'auditbox.batch': id,
    'auditbox.partition': partition,
    'auditbox.rows': rowCount,
    'auditbox.attempt': attempts,
  };
  const span = deps.tracing?.begin('internal', 'export batch', about);
  try {
    const outcome = await exportBatch({ ...deps, span }, batch, working);
    const isDone = outcome.kind === 'done';
    span?.end(isDone ? { attributes: { 'auditbox.object_key': outcome.key } } : { failure: outcome.kind });
    return outcome;
  } catch (error) {
    const fault = toDatabaseError(error);
    span?.end({ failure: fault?.code ?? 'fault' });
    deps.metrics.attempted('fault');
    if (fault !== null) await releaseForLater(deps, batch, fault.sentence).catch(() => {});
    throw error;
  }
}

async function releaseForLater(
  { db, backoff }: AttemptDependencies,
  batch: LeasedBatch,
  error: string,
): Promise<number> {
  const delayMs = retryDelayMs(batch.attempts, backoff, Math.random());
  await releaseBatch(db, batch, { delayMs, countsAsAttempt: true, error });
  return delayMs;
}

/** Nothing of ours lies under the key, and nothing ever will: a replay may need another one. */
const keyIsLost = new Set(['OtherObject', 'KeyTooLongError']);

async function settleRefusal(deps: AttemptDependencies, batch: LeasedBatch, refusal: SinkRefusal): Promise<PassResult> {
  const { db, logger, metrics } = deps;
  const { class: errorClass, code, message } = refusal;
  metrics.refused(errorClass, code);
  const about = { batch: batch.id, partition: batch.partition, attempt: batch.attempts, code };
  switch (errorClass) {
    case 'permanent':
      if (await failBatch(db, batch, { error: message, keepRender: !keyIsLost.has(code) })) {
        logger.error(about, `Batch failed; it waits for --replay-failed: ${message}`);
      }
      return 'reached';
    case 'transient': {
      const delayMs = await releaseForLater(deps, batch, message);
      logger.warn({ ...about, delayMs }, `Upload failed, to be tried again: ${message}`);
      return { class: errorClass, code, reason: message };
    }
    case 'blocked':
      // The gate paces the probes, so the batch itself is due at once when the destination is well again.
      await releaseBatch(db, batch, { delayMs: 0, countsAsAttempt: false, error: message });
      return { class: errorClass, code, reason: message };
    default:
      return errorClass satisfies never;
  }
}
