import type { LeasedDelivery } from '@auditbox/core/export/delivery.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import type { SendResult } from '../../destinations/gate.ts';
import type { ExporterLog } from '../../log.ts';
import type { Attempt } from '../attempt.ts';
import { type DeliverOutcome, type DeliverParts, deliverBatch } from './deliver-batch.ts';
import type { RecordedRejections } from './progress.ts';

/** An attempt at a delivery by requests, and what follows from its outcome: done, or back to sealed. It never fails. */
export function createRequestAttempt({
  log,
  ...parts
}: Omit<DeliverParts, 'onReached' | 'onRejected'> & { readonly log: ExporterLog }): Attempt {
  const { ledger, metrics } = parts;

  async function conclude(delivery: LeasedDelivery, outcome: DeliverOutcome, ms: number): Promise<SendResult> {
    const about = describe(delivery, ms);
    switch (outcome.kind) {
      case 'done':
        log.batchDelivered({ ...about, sent: outcome.rows, rejected: outcome.rejected });
        return 'reached';
      case 'lease lost':
        log.leaseLost(about);
        return 'not tried';
      case 'interrupted':
        await ledger.giveBack(delivery, null);
        return 'not tried';
      case 'not rendered':
        log.encodingRetried({ ...about, reason: outcome.reason });
        await ledger.retryLater(delivery, outcome.reason);
        return 'not tried';
      case 'stopped':
        return concludeStop(delivery, outcome, about);
      default:
        return outcome satisfies never;
    }
  }

  async function concludeStop(
    delivery: LeasedDelivery,
    { by, progressed }: Extract<DeliverOutcome, { kind: 'stopped' }>,
    about: Parameters<ExporterLog['leaseLost']>[0],
  ): Promise<SendResult> {
    if (by.kind === 'lease lost' || by.kind === 'interrupted') return 'not tried';
    const { code, reason } = by;
    if (by.kind === 'blocked') {
      metrics.failed('blocked', code);
      // The gate paces the probes, so the delivery is due as soon as the destination accepts requests again.
      await ledger.giveBack(delivery, reason);
      return { class: 'blocked', code, reason };
    }
    metrics.failed('transient', code);
    const afterMs = Math.min(by.afterMs ?? 0, longestAfterMs);
    const delayMs = await ledger.retryLater(
      { ...delivery, attempts: progressed ? 1 : delivery.attempts },
      reason,
      afterMs,
    );
    log.requestRetried({ ...about, code, delayMs, reason });
    return { class: 'transient', code, reason, afterMs };
  }

  return async (delivery, working, onReached) => {
    const startedAt = performance.now();
    const msSoFar = () => Math.round(performance.now() - startedAt);
    const onRejected = ({ rows, reasons }: RecordedRejections) =>
      log.rowsRejected({ ...describe(delivery, msSoFar()), rejected: rows, reason: reasons.join(' ') });
    let outcome: DeliverOutcome;
    try {
      outcome = await deliverBatch({ ...parts, onReached, onRejected }, delivery, working);
    } catch (error) {
      if (error instanceof DatabaseError) await ledger.retryLater(delivery, error.sentence).catch(() => {});
      throw error;
    }
    return conclude(delivery, outcome, msSoFar());
  };
}

function describe(
  { destination, batchId: batch, partition, rowCount: rows, attempts: attempt }: LeasedDelivery,
  ms: number,
) {
  return { destination, batch, partition, rows, attempt, ms };
}

/** A receiver may ask to be left alone for days. It is tried once an hour all the same. */
const longestAfterMs = 3_600_000;
