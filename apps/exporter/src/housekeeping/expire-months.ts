import type { Database } from '@auditbox/db/database/connect.ts';
import { closeMonth, dropMonth, listExpiredMonths } from '@auditbox/db/months/expired-months.ts';
import type { Logger } from 'pino';

/**
 * Removes the months of audit_log all of whose events are older than `retentionDays` and exported. A month is closed
 * first, so that no event comes in between the look and the end of it; one that holds anything unexported stays.
 */
export async function removeExpiredMonths(db: Database, retentionDays: number, logger: Logger): Promise<void> {
  for (const month of await listExpiredMonths(db, retentionDays)) {
    if (!month.isClosed) await closeMonth(db, month);
    if (await dropMonth(db, month))
      logger.info({ month: month.name, retentionDays }, 'A month past retention was removed from the database.');
    else logger.warn({ month: month.name }, 'A month past retention is kept: not all of its events are exported.');
  }
}
