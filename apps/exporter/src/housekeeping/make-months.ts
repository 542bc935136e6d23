import type { Database } from '@auditbox/db/database/connect.ts';
import { listUpcomingMonths, makeMonths } from '@auditbox/db/months/make-months.ts';
import { schedule } from 'node-cron';
import { type ExporterLog, logDatabaseError } from '../log.ts';

/** Makes months ahead, at once and every hour until `taking` is aborted. */
export function startMakingMonths({ db, log }: { db: Database; log: ExporterLog }, taking: AbortSignal): void {
  const task = schedule('23 * * * *', () => makeComingMonths(db, log), { noOverlap: true });
  taking.addEventListener('abort', () => void task.destroy());
  void task.execute();
}

async function makeComingMonths(db: Database, log: ExporterLog): Promise<void> {
  try {
    await makeMonths(db, listUpcomingMonths(new Date()));
  } catch (error) {
    logDatabaseError(log, error);
  }
}
