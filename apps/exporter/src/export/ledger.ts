import type { LeasedDelivery } from '@auditbox/core/export/delivery.ts';
import { type Backoff, retryDelayMs } from '@auditbox/core/export/retry-delay.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { extendLease } from '@auditbox/db/export/extend-lease.ts';
import { type Failure, failDelivery } from '@auditbox/db/export/fail-delivery.ts';
import { leaseDelivery } from '@auditbox/db/export/lease-delivery.ts';
import { markDone } from '@auditbox/db/export/mark-done.ts';
import { type DeliveryRender, recordRender } from '@auditbox/db/export/record-render.ts';
import { type BadRow, rejectRows } from '@auditbox/db/export/reject-rows.ts';
import { releaseDelivery } from '@auditbox/db/export/release-delivery.ts';
import { gather } from '@auditbox/process/gather.ts';

/** The state of one destination's deliveries: every change that an exporter makes. False means that the lease is lost. */
export interface Ledger {
  readonly leaseMs: number;
  /**
   * Leases the delivery that has been due the longest, or null. `newestFirst` prefers those of new batches. `batchIds` narrows
   * it to what a replay sends.
   */
  lease(batchIds: readonly string[] | null, newestFirst: boolean): Promise<LeasedDelivery | null>;
  extendLease(delivery: LeasedDelivery): Promise<boolean>;
  recordObject(delivery: LeasedDelivery, object: DeliveryRender['rendered']): Promise<boolean>;
  markDone(delivery: LeasedDelivery): Promise<boolean>;
  /** Rejects rows and gives the delivery back, due at once without them. */
  reject(delivery: LeasedDelivery, rows: readonly BadRow[]): Promise<boolean>;
  fail(delivery: LeasedDelivery, failure: Failure): Promise<boolean>;
  /**
   * Gives the delivery back after a failed attempt. Resolves to the wait before the next one, in ms, which is at least
   * `afterMs`.
   */
  retryLater(delivery: LeasedDelivery, error: string, afterMs?: number): Promise<number>;
  /** Gives the delivery back, due at once; the attempt does not count. A null `error` keeps the last one. */
  giveBack(delivery: LeasedDelivery, error: string | null): Promise<void>;
}

/** Attempts that reach the same point while a statement runs share the next statement, and its commit. */
export function createLedger(
  db: Database,
  destination: string,
  { leaseMs, backoff }: { readonly leaseMs: number; readonly backoff: Backoff },
): Ledger {
  const record = gather((renders: readonly DeliveryRender[]) => recordRender(db, renders, leaseMs));
  return {
    leaseMs,
    lease: (batchIds, newestFirst) => leaseDelivery(db, { destination, leaseMs, batchIds, newestFirst }),
    extendLease: (delivery) => extendLease(db, delivery, leaseMs),
    recordObject: (delivery, rendered) => record({ delivery, rendered }),
    markDone: gather((deliveries: readonly LeasedDelivery[]) => markDone(db, deliveries)),
    reject: (delivery, rows) => rejectRows(db, delivery, rows),
    fail: (delivery, failure) => failDelivery(db, delivery, failure),
    async retryLater(delivery, error, afterMs = 0) {
      const delayMs = Math.max(afterMs, retryDelayMs(delivery.attempts, backoff, Math.random()));
      await releaseDelivery(db, delivery, { delayMs, countsAsAttempt: true, error });
      return delayMs;
    },
    async giveBack(delivery, error) {
      await releaseDelivery(db, delivery, { delayMs: 0, countsAsAttempt: false, error });
    },
  };
}
