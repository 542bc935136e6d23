import type { LeasedBatch, RenderedObject } from '@auditbox/core/export/batch.ts';
import { type Backoff, retryDelayMs } from '@auditbox/core/export/retry-delay.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { extendLease } from '@auditbox/db/export/extend-lease.ts';
import { type Failure, failBatch } from '@auditbox/db/export/fail-batch.ts';
import { leaseBatch } from '@auditbox/db/export/lease-batch.ts';
import { markDone } from '@auditbox/db/export/mark-done.ts';
import { type BadRow, quarantineRows } from '@auditbox/db/export/quarantine-rows.ts';
import { type BatchRender, recordRender } from '@auditbox/db/export/record-render.ts';
import { releaseBatch } from '@auditbox/db/export/release-batch.ts';
import type { ReplayIds } from '@auditbox/db/export/replay-failed.ts';
import { gather } from '@auditbox/process/gather.ts';

/** The state of batches in the database: every change that an exporter makes to one. False means that the lease is lost. */
export interface Ledger {
  readonly leaseMs: number;
  /** Leases the batch that has been due the longest, or null. `only` narrows it to what a replay sends. */
  lease(only?: ReplayIds): Promise<LeasedBatch | null>;
  extendLease(batch: LeasedBatch): Promise<boolean>;
  recordObject(batch: LeasedBatch, object: RenderedObject & { readonly ndjsonBytes: number }): Promise<boolean>;
  markDone(batch: LeasedBatch): Promise<boolean>;
  /** Takes rows out of the batch and gives the batch back, due at once. */
  quarantine(batch: LeasedBatch, rows: readonly BadRow[]): Promise<boolean>;
  fail(batch: LeasedBatch, failure: Failure): Promise<boolean>;
  /** Gives the batch back after a failed attempt. Resolves to the wait before the next one, in ms. */
  retryLater(batch: LeasedBatch, error: string): Promise<number>;
  /** Gives the batch back, due at once; the attempt does not count. A null `error` keeps the last one. */
  giveBack(batch: LeasedBatch, error: string | null): Promise<void>;
}

/** Attempts that reach the same point while a statement runs share the next statement, and its commit. */
export function createLedger(
  db: Database,
  { leaseMs, backoff }: { readonly leaseMs: number; readonly backoff: Backoff },
): Ledger {
  const record = gather((renders: readonly BatchRender[]) => recordRender(db, renders, leaseMs));
  return {
    leaseMs,
    lease: (only) => leaseBatch(db, leaseMs, only),
    extendLease: (batch) => extendLease(db, batch, leaseMs),
    recordObject: (batch, { ndjsonBytes, ...object }) => record({ batch, rendered: { ...object, bytes: ndjsonBytes } }),
    markDone: gather((batches: readonly LeasedBatch[]) => markDone(db, batches)),
    quarantine: (batch, rows) => quarantineRows(db, batch, rows),
    fail: (batch, failure) => failBatch(db, batch, failure),
    async retryLater(batch, error) {
      const delayMs = retryDelayMs(batch.attempts, backoff, Math.random());
      await releaseBatch(db, batch, { delayMs, countsAsAttempt: true, error });
      return delayMs;
    },
    async giveBack(batch, error) {
      await releaseBatch(db, batch, { delayMs: 0, countsAsAttempt: false, error });
    },
  };
}
