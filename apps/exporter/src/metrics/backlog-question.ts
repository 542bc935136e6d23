import type { Database } from '@auditbox/db/database/connect.ts';
import { toDatabaseError } from '@auditbox/db/database/database-error.ts';
import { findPendingRows, findUnfinishedBatches, type PendingRows } from '@auditbox/db/observe/backlog.ts';
import type { Question } from '@auditbox/process/metrics/database-gauges.ts';
import { Gauge } from 'prom-client';

/** How long to ask only behind the low-water mark after a look at all had taken too long. */
const humbleMs = 60_000;

const queryCanceled = '57014';

/** How far behind the export is. `lowWater` is the outbox id behind which the sealer looks for pending rows. */
export function backlogQuestion(db: Database, lowWater: () => string): Question {
  const gauge = <Label extends string = never>(name: string, help: string, labelNames: Label[] = []) =>
    new Gauge<Label>({ name, help, labelNames, registers: [] });
  const whole = 'Of the whole database, the same from every exporter.';
  const pendingRows = gauge(
    'auditbox_outbox_pending_rows',
    `Outbox rows in no batch yet. Counted up to 10000; beyond, an estimate from ids, too high by rows sealed out of order. ${whole}`,
  );
  const oldestPending = gauge(
    'auditbox_outbox_oldest_pending_age_seconds',
    `How long the oldest row that is in no batch yet has waited since the database took its event; 0 when there is none. ${whole}`,
  );
  const oldestUnexported = gauge(
    'auditbox_outbox_oldest_unexported_age_seconds',
    `How long the oldest row that is pending, sealed or uploading has waited since the database took its event; 0 when there is none. ${whole}`,
  );
  const batches = gauge('auditbox_batches', `Batches that are not done, by state, up to 100000. ${whole}`, ['state']);
  const batchRows = gauge('auditbox_batch_rows', `Rows of the batches that are not done, by state. ${whole}`, [
    'state',
  ]);
  let humbleUntil = 0;

  /** Index entries of sealed rows that cannot be removed, as while a transaction is held open, may cost a look at all rows its deadline. */
  async function look(): Promise<PendingRows> {
    if (performance.now() > humbleUntil) {
      try {
        return await findPendingRows(db);
      } catch (error) {
        if (toDatabaseError(error)?.code !== queryCanceled) throw error;
        humbleUntil = performance.now() + humbleMs;
      }
    }
    return findPendingRows(db, lowWater());
  }

  return {
    gauges: [pendingRows, oldestPending, oldestUnexported, batches, batchRows],
    async ask() {
      const pending = await look();
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
