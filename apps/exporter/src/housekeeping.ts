import type { Database } from '@auditbox/db/connect.ts';
import { pruneOutbox } from '@auditbox/db/export/prune-outbox.ts';
import { crashPoint } from '@auditbox/process/crash-point.ts';
import { schedule } from 'node-cron';
import type { Logger } from 'pino';
import { logDatabaseFault } from './log-database-fault.ts';

const rowsPerDelete = 5_000;

/** Deletes outbox rows past retention, a few at a time, until none is left or `taking` is aborted. */
async function prune(db: Database, retentionDays: number, logger: Logger, taking: AbortSignal): Promise<void> {
  let pruned = 0;
  try {
    for (let deleted = -1; deleted !== 0 && !taking.aborted; pruned += deleted) {
      deleted = await pruneOutbox(db, retentionDays, rowsPerDelete);
      crashPoint('exporter between two prunes');
    }
  } catch (error) {
    logDatabaseFault(logger, error);
  }
  if (pruned > 0) logger.info({ pruned, retentionDays }, 'Outbox rows past retention deleted.');
}

/** Prunes every hour while the exporter runs; `retentionDays` 0 keeps everything. */
export function startHousekeeping(db: Database, retentionDays: number, logger: Logger, taking: AbortSignal): void {
  if (retentionDays === 0) return;
  const task = schedule('23 * * * *', () => prune(db, retentionDays, logger, taking), { noOverlap: true });
  taking.addEventListener('abort', () => void task.destroy());
}
