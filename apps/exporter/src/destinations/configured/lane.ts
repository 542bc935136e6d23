import type { Backoff } from '@auditbox/core/export/retry-delay.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { continueHistory } from '@auditbox/db/export/history.ts';
import { hasDeliveryToTry } from '@auditbox/db/export/unexported.ts';
import type { Destination, Finding } from '@auditbox/destination-kit/destination.ts';
import type { Shutdown } from '@auditbox/process/shutdown.ts';
import { sleep } from '@auditbox/process/sleep.ts';
import { createPace } from '../../export/pace.ts';
import { readThrown } from '../../export/requests/read-outcome.ts';
import { createRequestAttempt } from '../../export/requests/request-attempt.ts';
import { createRequestLedger } from '../../export/requests/request-ledger.ts';
import { createSendLoop } from '../../export/send-loop.ts';
import { type ExporterLog, logDatabaseError } from '../../log.ts';
import type { RequestMetrics } from '../../metrics/request-metrics.ts';
import { createGate, type Gate, type SendResult } from '../gate.ts';
import type { ConfiguredDestination } from './configured-destination.ts';

/**
 * Everything of one destination that takes requests: its loop, concurrency, gate, waits, connections and metrics. No other
 * destination waits for any of them.
 */
export interface Lane {
  readonly name: string;
  readonly gate: Gate;
  readonly destination: Destination;
  /** Adds the histories that the destination is to get and sends its deliveries, until `taking` is aborted. */
  run(shutdown: Shutdown): Promise<void>;
  /** There may be a delivery to send. */
  wake(): void;
  close(): Promise<void>;
}

/** Batches of one step of a history. */
const historyBlock = 500;

/** The end of a history is gone through again after this long. A history that a command asks for begins this late at most. */
const historyWaitMs = 5_000;

export function createLane(
  { name, selection, concurrency, timeoutMs }: ConfiguredDestination,
  destination: Destination,
  {
    db,
    cell,
    log,
    metrics,
    leaseMs,
    backoff,
    pollIntervalMs,
    isHeld,
  }: {
    readonly db: Database;
    /** Null: there are no other cells. */
    readonly cell: string | null;
    readonly log: ExporterLog;
    readonly metrics: RequestMetrics;
    readonly leaseMs: number;
    readonly backoff: Backoff;
    readonly pollIntervalMs: number;
    /** Whether nothing may be sent for now. */
    readonly isHeld: () => boolean;
  },
): Lane {
  const gate = createGate(backoff, {
    exportBlocked: (reason) => log.destinationBlocked({ destination: name, reason }),
    exportResumed: () => log.destinationResumed({ destination: name }),
  });
  const ledger = createRequestLedger(db, name, { leaseMs, backoff });
  const sendLoop = createSendLoop({
    ledger,
    attempt: createRequestAttempt({ db, cell, destination, selection, ledger, metrics, timeoutMs, log }),
    gate,
    pace: createPace(pollIntervalMs),
    log,
    concurrency,
    // With one batch at a time, batches come in their order.
    takesNewest: concurrency > 1,
    isHeld,
    onProgress: () => {},
    probe: probeWithoutBatch,
  });

  /** A receiver that passes its check may refuse events, so a check ends a block only when no batch could show it. */
  async function probeWithoutBatch(signal: AbortSignal): Promise<SendResult> {
    if (await hasDeliveryToTry(db, name)) return 'not tried';
    const stopping = (await runCheck(signal)).find(({ stopsDelivery }) => stopsDelivery);
    if (signal.aborted) return 'not tried';
    return stopping === undefined ? 'reached' : { class: 'blocked', code: 'check', reason: stopping.says };
  }

  function runCheck(signal: AbortSignal): Promise<readonly Finding[]> {
    return destination
      .check(AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]))
      .catch((error: unknown) => [{ says: readThrown(error).reason, stopsDelivery: true }]);
  }

  /** Goes on after the end of a history, because a command may ask for more at any time. */
  async function addHistory(taking: AbortSignal): Promise<void> {
    let isAdding = false;
    let isGone = false;
    while (!taking.aborted) {
      const step = await continueHistory(db, name, historyBlock).catch((error: unknown) =>
        logDatabaseError(log, error),
      );
      if (step === 'added') sendLoop.wake();
      if (step === 'done' && isAdding) log.historyAdded({ destination: name });
      if (step === 'unknown' && !isGone) log.destinationGone({ destination: name });
      if (step) {
        isAdding = step === 'added' || step === 'waiting';
        isGone = step === 'unknown';
      }
      if (step !== 'added') await sleep(historyWaitMs, taking);
    }
  }

  /** A destination that does not work stops nothing: its deliveries meet the same error, wait and resume. */
  async function check(taking: AbortSignal): Promise<void> {
    const findings = await runCheck(taking);
    if (taking.aborted) return;
    if (findings.length === 0) log.destinationChecked({ destination: name });
    for (const { says } of findings) log.destinationDoubtful({ destination: name, says });
  }

  return {
    name,
    gate,
    destination,
    async run(shutdown) {
      await Promise.all([check(shutdown.taking), addHistory(shutdown.taking), sendLoop.run(shutdown)]);
    },
    wake: sendLoop.wake,
    close: () => destination.close().catch(() => {}),
  };
}
