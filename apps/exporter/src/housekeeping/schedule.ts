import type { Database } from '@auditbox/db/database/connect.ts';
import { pruneOutbox } from '@auditbox/db/export/prune-outbox.ts';
import { listUpcomingMonths, makeMonths } from '@auditbox/db/months/make-months.ts';
import { crashPoint } from '@auditbox/process/crash-point.ts';
import { schedule } from 'node-cron';
import type { Logger } from 'pino';
import { logDatabaseFault } from '../export/log-database-fault.ts';
import { removeExpiredMonths } from './expire-months.ts';

export interface Housekeeping {
  readonly db: Database;
  /** Outbox rows go so many days after their export; 0 keeps them. */
  readonly outboxRetentionDays: number;
  /** Audit rows go by whole months, once the last of a month is so old and all of it is exported; 0 keeps them. */
  readonly auditRetentionDays: number;
  readonly logger: Logger;
}

const rowsPerDelete = 5_000;

/** Makes partitions ahead, and removes what is past retention, at once and every hour until `taking` is aborted. */
export function startHousekeeping(housekeeping: Housekeeping, taking: AbortSignal): void {
  const task = schedule('23 * * * *', () => keepHouse(housekeeping, taking), { noOverlap: true });
  taking.addEventListener('abort', () => void task.destroy());
  void task.execute();
}

async function keepHouse(housekeeping: Housekeeping, taking: AbortSignal): Promise<void> {
  const { db, outboxRetentionDays, auditRetentionDays, logger } = housekeeping;
  const tasks = [
    () => makeMonths(db, listUpcomingMonths(new Date())),
    () => (outboxRetentionDays > 0 ? prune(housekeeping, taking) : null),
    () => (auditRetentionDays > 0 ? removeExpiredMonths(db, auditRetentionDays, logger) : null),
  ];
  for (const task of tasks) {
    try {
      if (!taking.aborted) await task();
    } catch (error) {
      logDatabaseFault(logger, error);
    }
  }
}

/** Deletes outbox rows past retention, a few at a time, until none is left or `taking` is aborted. */
async function prune({ db, outboxRetentionDays, logger }: Housekeeping, taking: AbortSignal): Promise<void> {
  let pruned = 0;
  try {
    for (let deleted = -1; deleted !== 0 && !taking.aborted; pruned += deleted) {
      deleted = await pruneOutbox(db, outboxRetentionDays, rowsPerDelete);
      crashPoint('exporter between two prunes');
    }
  } finally {
    if (pruned > 0) logger.info({ pruned, outboxRetentionDays }, 'Outbox rows past retention deleted.');
  }
}
