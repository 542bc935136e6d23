import type { Database } from '@auditbox/db/database/connect.ts';
import { pruneOutbox } from '@auditbox/db/export/prune-outbox.ts';
import { listUpcomingMonths, makeMonths } from '@auditbox/db/months/make-months.ts';
import { crashPoint } from '@auditbox/process/crash-point.ts';
import { schedule } from 'node-cron';
import { type ExporterLog, logDatabaseError } from '../log.ts';
import type { ExporterSettings } from '../settings.ts';
import { removeExpiredMonths } from './expire-months.ts';

interface HousekeepingParts {
  readonly db: Database;
  readonly retention: ExporterSettings['retention'];
  readonly log: ExporterLog;
}

const rowsPerDelete = 5_000;

/** Makes months ahead and removes what is past its retention, at once and every hour until `taking` is aborted. */
export function startHousekeeping(parts: HousekeepingParts, taking: AbortSignal): void {
  const task = schedule('23 * * * *', () => keepHouse(parts, taking), { noOverlap: true });
  taking.addEventListener('abort', () => void task.destroy());
  void task.execute();
}

async function keepHouse({ db, retention, log }: HousekeepingParts, taking: AbortSignal): Promise<void> {
  const { outboxDays, auditDays } = retention;
  const tasks = [
    () => makeMonths(db, listUpcomingMonths(new Date())),
    () => outboxDays && pruneUntilNoneIsLeft(db, outboxDays, log, taking),
    () => auditDays && removeExpiredMonths(db, auditDays, log),
  ];
  for (const task of tasks) {
    try {
      if (!taking.aborted) await task();
    } catch (error) {
      logDatabaseError(log, error);
    }
  }
}

/** A few rows at a time, until none is past its retention or `taking` is aborted. */
async function pruneUntilNoneIsLeft(
  db: Database,
  retentionDays: number,
  log: ExporterLog,
  taking: AbortSignal,
): Promise<void> {
  let pruned = 0;
  try {
    for (let deleted = -1; deleted !== 0 && !taking.aborted; pruned += deleted) {
      deleted = await pruneOutbox(db, retentionDays, rowsPerDelete);
      crashPoint('exporter between two prunes');
    }
  } finally {
    if (pruned > 0) log.outboxPruned({ pruned, retentionDays });
  }
}
