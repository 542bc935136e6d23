import type { LeasedBatch } from '@auditbox/core/export/batch.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { markDone } from '@auditbox/db/export/mark-done.ts';
import { type BatchRender, recordRender } from '@auditbox/db/export/record-render.ts';
import { gather } from '@auditbox/process/gather.ts';

/** What an attempt writes down of its batch. Each resolves to false when the lease is lost. */
export interface BatchLedger {
  recordRender(render: BatchRender): Promise<boolean>;
  markDone(batch: LeasedBatch): Promise<boolean>;
}

/** Attempts that come to the same point while a statement is under way share the next one, and its commit. */
export function createBatchLedger(db: Database, leaseMs: number): BatchLedger {
  return {
    recordRender: gather((renders: readonly BatchRender[]) => recordRender(db, renders, leaseMs)),
    markDone: gather((batches: readonly LeasedBatch[]) => markDone(db, batches)),
  };
}
