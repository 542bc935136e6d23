import type { Database } from '@auditbox/db/database/connect.ts';
import { closeMonth, dropMonth, listExpiredMonths } from '@auditbox/db/months/expired-months.ts';
import type { ExporterLog } from '../log.ts';

/**
 * Removes the months of audit_log whose events are all older than `retentionDays` and exported. A month is closed first,
 * so that no event is written to it between the check and the removal. A month with an unexported event is kept.
 */
export async function removeExpiredMonths(
  db: Database,
  retentionDays: number,
  log: Pick<ExporterLog, 'monthRemoved' | 'monthKept'>,
): Promise<void> {
  for (const month of await listExpiredMonths(db, retentionDays)) {
    if (!month.isClosed) await closeMonth(db, month);
    const isRemoved = await dropMonth(db, month);
    const about = { month: month.name, retentionDays };
    if (isRemoved) log.monthRemoved(about);
    else log.monthKept(about);
  }
}
