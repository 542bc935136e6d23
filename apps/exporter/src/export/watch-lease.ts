import type { LeasedDelivery } from '@auditbox/core/export/delivery.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import { sleep } from '@auditbox/process/sleep.ts';
import type { Ledger } from './ledger.ts';

const shortestWatchMs = 250;

/** Extends a lease until `over`; aborts `lost` when it is lost. */
export async function watchLease(
  ledger: Pick<Ledger, 'leaseMs' | 'extendLease'>,
  delivery: LeasedDelivery,
  lost: AbortController,
  over: AbortSignal,
): Promise<void> {
  for (;;) {
    await sleep(Math.max(shortestWatchMs, ledger.leaseMs / 3), over);
    if (over.aborted) return;
    try {
      if (!(await ledger.extendLease(delivery))) lost.abort();
    } catch (error) {
      // The next change of the delivery finds out whether the lease is still held.
      if (!(error instanceof DatabaseError)) throw error;
    }
    if (lost.signal.aborted) return;
  }
}
