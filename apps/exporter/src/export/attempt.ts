import type { LeasedDelivery } from '@auditbox/core/export/delivery.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import type { Tracing } from '@auditbox/process/tracing.ts';
import type { DestinationError } from '../destinations/destination.ts';
import type { SendResult } from '../destinations/gate.ts';
import type { ExporterLog } from '../log.ts';
import { type ExportOutcome, type ExportParts, exportBatch } from './export-batch.ts';

/**
 * One attempt at a leased delivery. Resolves to what the destination's gate needs to know. An attempt of several requests
 * calls `onReached` when the destination has taken one of them. Throws DatabaseError.
 */
export type Attempt = (delivery: LeasedDelivery, working: AbortSignal, onReached: () => void) => Promise<SendResult>;

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
  async function exportOrGiveBack(delivery: LeasedDelivery, working: AbortSignal): Promise<ExportOutcome> {
    const span = tracing?.begin('internal', 'export batch', {
      'auditbox.batch': delivery.batchId,
      'auditbox.destination': delivery.destination,
      'auditbox.partition': delivery.partition,
      'auditbox.rows': delivery.rowCount,
      'auditbox.attempt': delivery.attempts,
    });
    try {
      const outcome = await exportBatch(parts, delivery, working, span);
      const isDone = outcome.kind === 'done';
      span?.end(isDone ? { attributes: { 'auditbox.object_key': outcome.key } } : { failure: outcome.kind });
      return outcome;
    } catch (error) {
      const isDatabaseError = error instanceof DatabaseError;
      span?.end({ failure: isDatabaseError ? error.code : 'unexpected error' });
      metrics.attempted('database error');
      if (isDatabaseError) await ledger.retryLater(delivery, error.sentence).catch(() => {});
      throw error;
    }
  }

  async function conclude(
    delivery: LeasedDelivery,
    outcome: Exclude<ExportOutcome, { kind: 'interrupted' }>,
    ms: number,
  ): Promise<SendResult> {
    const { destination, batchId: batch, partition, rowCount: rows, attempts: attempt } = delivery;
    const about = { destination, batch, partition, rows, attempt, ms };
    switch (outcome.kind) {
      case 'done':
        metrics.exported(delivery, outcome.sizes);
        log.batchExported({ ...about, key: outcome.key });
        return 'reached';
      case 'lease lost':
        log.leaseLost(about);
        return 'not tried';
      case 'rejected':
        log.rowsRejected({ ...about, rejected: outcome.rows, reason: outcome.reason });
        return 'not tried';
      case 'not encoded':
        log.encodingRetried({ ...about, reason: outcome.reason });
        await ledger.retryLater(delivery, outcome.reason);
        return 'not tried';
      case 'error':
        return concludeError(delivery, outcome, about);
      default:
        return outcome satisfies never;
    }
  }

  async function concludeError(
    delivery: LeasedDelivery,
    { class: errorClass, code, message: reason }: DestinationError,
    about: Parameters<ExporterLog['leaseLost']>[0],
  ): Promise<SendResult> {
    metrics.failed(errorClass, code);
    switch (errorClass) {
      case 'permanent':
        if (await ledger.fail(delivery, { error: reason, keepRender: !lostKeyCodes.has(code) }))
          log.batchFailed({ ...about, code, reason });
        return 'reached';
      case 'transient': {
        const delayMs = await ledger.retryLater(delivery, reason);
        log.uploadRetried({ ...about, code, delayMs, reason });
        return { class: errorClass, code, reason };
      }
      case 'blocked':
        // The gate paces the probes, so the delivery is due as soon as the destination accepts objects again.
        await ledger.giveBack(delivery, reason);
        return { class: errorClass, code, reason };
      default:
        return errorClass satisfies never;
    }
  }

  return async (delivery, working) => {
    const startedAt = performance.now();
    const outcome = await exportOrGiveBack(delivery, working);
    const ms = Math.round(performance.now() - startedAt);
    if (outcome.kind === 'interrupted' || (outcome.kind === 'error' && working.aborted)) {
      // This process interrupted the attempt. The error is not the destination's.
      metrics.attempted('interrupted');
      await ledger.giveBack(delivery, null);
      return 'not tried';
    }
    metrics.attempted(outcome.kind === 'error' ? 'destination error' : outcome.kind);
    return conclude(delivery, outcome, ms);
  };
}
