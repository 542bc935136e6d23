import type { LeasedBatch } from '@auditbox/core/export/batch.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import type { Tracing } from '@auditbox/process/tracing.ts';
import type { DestinationError } from '../destinations/destination.ts';
import type { SendResult } from '../destinations/gate.ts';
import type { ExporterLog } from '../log.ts';
import { type ExportOutcome, type ExportParts, exportBatch } from './export-batch.ts';

/** One attempt at a leased batch. Resolves to what the destination's gate needs to know. Throws DatabaseError. */
export type Attempt = (batch: LeasedBatch, working: AbortSignal) => Promise<SendResult>;

/** Our object does not exist under the key, and cannot be created there. A replay may need another key. */
const lostKeyCodes = new Set(['OtherObject', 'KeyTooLongError']);

/** An attempt and what follows from its outcome: done, back to sealed with a wait, or failed. */
export function createAttempt({
  log,
  tracing,
  ...parts
}: ExportParts & { readonly log: ExporterLog; readonly tracing: Tracing | null }): Attempt {
  const { ledger, metrics } = parts;

  /** After a database error the lease is given back at once if the database can be reached; otherwise it expires. */
  async function exportOrGiveBack(batch: LeasedBatch, working: AbortSignal): Promise<ExportOutcome> {
    const span = tracing?.begin('internal', 'export batch', {
      'auditbox.batch': batch.id,
      'auditbox.partition': batch.partition,
      'auditbox.rows': batch.rowCount,
      'auditbox.attempt': batch.attempts,
    });
    try {
      const outcome = await exportBatch(parts, batch, working, span);
      const isDone = outcome.kind === 'done';
      span?.end(isDone ? { attributes: { 'auditbox.object_key': outcome.key } } : { failure: outcome.kind });
      return outcome;
    } catch (error) {
      const isDatabaseError = error instanceof DatabaseError;
      span?.end({ failure: isDatabaseError ? error.code : 'unexpected error' });
      metrics.attempted('database error');
      if (isDatabaseError) await ledger.retryLater(batch, error.sentence).catch(() => {});
      throw error;
    }
  }

  async function conclude(batch: LeasedBatch, outcome: ExportOutcome, ms: number): Promise<SendResult> {
    const { id, partition, rowCount: rows, attempts: attempt } = batch;
    const about = { batch: id, partition, rows, attempt, ms };
    switch (outcome.kind) {
      case 'done':
        metrics.exported(batch, outcome.sizes);
        log.batchExported({ ...about, key: outcome.key });
        return 'reached';
      case 'lease lost':
        log.leaseLost(about);
        return 'not tried';
      case 'quarantined':
        log.rowsQuarantined({ ...about, quarantined: outcome.rows, reason: outcome.reason });
        return 'not tried';
      case 'not encoded':
        log.encodingRetried({ ...about, reason: outcome.reason });
        await ledger.retryLater(batch, outcome.reason);
        return 'not tried';
      case 'error':
        return concludeError(batch, outcome, about);
      default:
        return outcome satisfies never;
    }
  }

  async function concludeError(
    batch: LeasedBatch,
    { class: errorClass, code, message: reason }: DestinationError,
    about: Parameters<ExporterLog['leaseLost']>[0],
  ): Promise<SendResult> {
    metrics.failed(errorClass, code);
    switch (errorClass) {
      case 'permanent':
        if (await ledger.fail(batch, { error: reason, keepRender: !lostKeyCodes.has(code) }))
          log.batchFailed({ ...about, code, reason });
        return 'reached';
      case 'transient': {
        const delayMs = await ledger.retryLater(batch, reason);
        log.uploadRetried({ ...about, code, delayMs, reason });
        return { class: errorClass, code, reason };
      }
      case 'blocked':
        // The gate paces the probes, so the batch is due as soon as the destination accepts objects again.
        await ledger.giveBack(batch, reason);
        return { class: errorClass, code, reason };
      default:
        return errorClass satisfies never;
    }
  }

  return async (batch, working) => {
    const startedAt = performance.now();
    const outcome = await exportOrGiveBack(batch, working);
    const ms = Math.round(performance.now() - startedAt);
    if (outcome.kind === 'error' && working.aborted) {
      // This process interrupted the upload. The error is not the destination's.
      metrics.attempted('interrupted');
      await ledger.giveBack(batch, null);
      return 'not tried';
    }
    metrics.attempted(outcome.kind === 'error' ? 'destination error' : outcome.kind);
    return conclude(batch, outcome, ms);
  };
}
