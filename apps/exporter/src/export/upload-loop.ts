import type { LeasedBatch } from '@auditbox/core/export/batch.ts';
import { crashPoint } from '@auditbox/process/crash-point.ts';
import { type AttemptDependencies, attemptBatch } from './attempt-batch.ts';
import type { Gate } from './destination-gate.ts';
import { logDatabaseFault } from './log-database-fault.ts';
import type { PollPace } from './poll-pace.ts';

export interface UploadLoop extends AttemptDependencies {
  readonly gate: Gate;
  /** Takes the lease of a batch that is due, or null. */
  readonly lease: () => Promise<LeasedBatch | null>;
  readonly concurrency: number;
  readonly pace: PollPace;
}

/**
 * Leases batches and attempts them, up to `concurrency` at once, until `taking` is aborted; then waits for those under
 * way, which `working` breaks off. A batch is leased only when there is room for it, so no lease runs while it queues.
 */
export async function runUploadLoop(loop: UploadLoop, taking: AbortSignal, working: AbortSignal): Promise<void> {
  const { gate, pace, logger, concurrency, lease, onProgress } = loop;
  const underWay = new Set<Promise<void>>();
  for (;;) {
    onProgress?.();
    if (underWay.size >= concurrency) await Promise.race(underWay);
    const pass = await gate.pass(taking, onProgress);
    if (!pass) break;
    const batch = await lease().catch((error: unknown) => logDatabaseFault(logger, error));
    if (!batch) {
      pass.settle('not tried');
      await pace.wait(taking);
      continue;
    }
    crashPoint('exporter after the lease');
    pace.busy();
    const attempt = attemptBatch(loop, batch, working)
      .catch((error: unknown) => {
        logDatabaseFault(logger, error);
        return 'not tried' as const;
      })
      .then(pass.settle)
      .finally(() => underWay.delete(attempt));
    underWay.add(attempt);
  }
  crashPoint('exporter in shutdown');
  await Promise.all(underWay);
}
