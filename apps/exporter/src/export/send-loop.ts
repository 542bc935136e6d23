import { crashPoint } from '@auditbox/process/crash-point.ts';
import type { Shutdown } from '@auditbox/process/shutdown.ts';
import type { Gate, SendResult } from '../destinations/gate.ts';
import { type ExporterLog, logDatabaseError } from '../log.ts';
import type { Attempt } from './attempt.ts';
import type { Ledger } from './ledger.ts';
import type { Pace } from './pace.ts';

export interface SendLoop {
  /**
   * Leases deliveries and attempts them until `taking` is aborted, then waits for the attempts in flight, which `working`
   * interrupts. `batchIds` narrows it to what a replay sends.
   */
  run(shutdown: Shutdown, batchIds?: readonly string[] | null): Promise<void>;
  /** There may be a delivery to send. */
  wake(): void;
}

/**
 * Makes up to `concurrency` attempts at once. A delivery is leased only when there is room, so no lease runs in a queue.
 *
 * With `takesNewest`, a new batch does not wait behind a backlog: of two leases, one prefers the newest batch. The other one
 * takes the delivery that has been due the longest, so that new batches, sent or refused, never hold up the backlog.
 */
export function createSendLoop({
  ledger,
  attempt,
  gate,
  pace,
  log,
  concurrency,
  takesNewest,
  isHeld,
  onProgress,
  probe,
}: {
  readonly ledger: Pick<Ledger, 'lease'>;
  readonly attempt: Attempt;
  readonly gate: Gate;
  readonly pace: Pace;
  readonly log: ExporterLog;
  readonly concurrency: number;
  readonly takesNewest: boolean;
  /** Whether nothing may be sent for now. */
  readonly isHeld: () => boolean;
  /** Called at each iteration, for the liveness check. */
  readonly onProgress: () => void;
  /** Whether the destination is well again, asked without a batch. Never rejects except with DatabaseError. */
  readonly probe: (signal: AbortSignal) => Promise<SendResult>;
}): SendLoop {
  return {
    wake: () => pace.wake(),
    async run({ taking, working }, batchIds = null) {
      const inFlight = new Set<Promise<void>>();
      const lease = (newestFirst: boolean) =>
        isHeld() ? null : ledger.lease(batchIds, newestFirst).catch((error: unknown) => logDatabaseError(log, error));
      let tookNewest = false;
      for (;;) {
        onProgress();
        if (inFlight.size >= concurrency) await Promise.race(inFlight);
        const permit = await gate.enter(taking, onProgress);
        if (!permit) break;
        const delivery = await lease(takesNewest && !tookNewest);
        if (!delivery) {
          // Nobody brings a batch to probe with on a quiet system, or when another exporter sent them all.
          permit.report(gate.closedForMs > 0 ? await tryProbe(probe, working, log) : 'not tried');
          await pace.wait(taking);
          continue;
        }
        tookNewest = delivery.isNewest;
        crashPoint('exporter after the lease');
        pace.busy();
        const sending = attempt(delivery, working, () => permit.report('reached'))
          .catch((error: unknown) => {
            logDatabaseError(log, error);
            return 'not tried' as const;
          })
          .then(permit.report)
          .finally(() => inFlight.delete(sending));
        inFlight.add(sending);
      }
      crashPoint('exporter in shutdown');
      await Promise.all(inFlight);
    },
  };
}

async function tryProbe(
  probe: (signal: AbortSignal) => Promise<SendResult>,
  signal: AbortSignal,
  log: ExporterLog,
): Promise<SendResult> {
  try {
    return await probe(signal);
  } catch (error) {
    logDatabaseError(log, error);
    return 'not tried';
  }
}
