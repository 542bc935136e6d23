import type { Database } from '@auditbox/db/database/connect.ts';
import { DatabaseError } from '@auditbox/db/database/database-error.ts';
import { findPendingRows, findUnfinishedBatches, type PendingRows } from '@auditbox/db/observe/backlog.ts';
import type { Question } from '@auditbox/process/metrics/database-gauges.ts';
import { Gauge } from 'prom-client';
import type { SealLoop } from '../export/seal-loop.ts';

/** After a count of all rows exceeded its deadline, only rows above the low-water mark are counted for this long. */
const partialCountMs = 60_000;

const queryCanceled = '57014';

/** How far behind the export is. */
export function measureBacklog(db: Database, sealLoop: SealLoop): Question {
  const gauge = <Label extends string = never>(name: string, help: string, labelNames: Label[] = []) =>
    new Gauge<Label>({ name, help, labelNames, registers: [] });
  const scope = 'Of the whole database, the same from every exporter.';
  const pendingRows = gauge(
    'auditbox_outbox_pending_rows',
    `Outbox rows in no batch yet. Counted up to 10000; above that, an estimate from ids, too high by rows sealed out of order. ${scope}`,
  );
  const oldestPending = gauge(
    'auditbox_outbox_oldest_pending_age_seconds',
    `How long the oldest row that is in no batch yet has waited since the database recorded its event; 0 without such a row. ${scope}`,
  );
  const oldestUnexported = gauge(
    'auditbox_outbox_oldest_unexported_age_seconds',
    `How long the oldest row that is pending, sealed or uploading has waited since the database recorded its event; 0 without such a row. ${scope}`,
  );
  const batches = gauge('auditbox_batches', `Batches that are not done, by state, up to 100000. ${scope}`, ['state']);
  const batchRows = gauge('auditbox_batch_rows', `Rows of the batches that are not done, by state. ${scope}`, [
    'state',
  ]);
  let partialUntil = 0;

  /** While a transaction is held open, index entries of sealed rows stay. A count of all rows may then exceed its deadline. */
  async function countPending(): Promise<PendingRows> {
    if (performance.now() > partialUntil) {
      try {
        return await findPendingRows(db);
      } catch (error) {
        if (!(error instanceof DatabaseError && error.code === queryCanceled)) throw error;
        partialUntil = performance.now() + partialCountMs;
      }
    }
    return findPendingRows(db, sealLoop.lowWater);
  }

  return {
    gauges: [pendingRows, oldestPending, oldestUnexported, batches, batchRows],
    async ask() {
      const pending = await countPending();
      const unfinished = await findUnfinishedBatches(db);
      pendingRows.set(pending.rows);
      oldestPending.set(pending.oldestAgeS);
      oldestUnexported.set(Math.max(pending.oldestAgeS, unfinished.oldestAgeS));
      for (const state of ['sealed', 'uploading', 'failed'] as const) {
        batches.set({ state }, unfinished.batches[state]);
        batchRows.set({ state }, unfinished.rows[state]);
      }
    },
  };
}
