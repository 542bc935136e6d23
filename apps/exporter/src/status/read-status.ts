import type { Database } from '@auditbox/db/database/connect.ts';
import { findPendingRows, findUnfinishedDeliveries } from '@auditbox/db/observe/backlog.ts';
import { readExportActivity } from '@auditbox/db/observe/export-activity.ts';
import { listFailures } from '@auditbox/db/observe/list-failures.ts';
import { findLogBacklogs } from '@auditbox/db/observe/log-backlog.ts';
import { type DestinationStatus, judgeDestination } from './destination-status.ts';

/** The status of every destination that the database knows. Throws DatabaseError. */
export async function readStatus(db: Database, maxBehindS: number): Promise<readonly DestinationStatus[]> {
  const pending = await findPendingRows(db);
  const logs = await findLogBacklogs(db);
  const statuses: DestinationStatus[] = [];
  for (const unfinished of await findUnfinishedDeliveries(db)) {
    const { destination } = unfinished;
    const { retry } = await readExportActivity(db, destination);
    const { deliveries, rows } = await listFailures(db, { destination, limit: 1 });
    const failure = deliveries[0]?.error ?? rows[0]?.reason ?? null;
    const log = logs.find((one) => one.destination === destination) ?? null;
    statuses.push(judgeDestination({ pending, unfinished, retry, failure, log }, maxBehindS));
  }
  return statuses;
}
