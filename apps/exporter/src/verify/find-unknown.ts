import { isInCellFolder } from '@auditbox/core/cells/cell-folder.ts';
import { readBatchId } from '@auditbox/core/export/batch-id.ts';
import type { Database } from '@auditbox/db/database/connect.ts';
import { listRecordedKeys, type OccurredRange } from '@auditbox/db/export/list-done.ts';
import { listOrphanKeys } from '@auditbox/db/log/log-entries.ts';
import type { DestinationError } from '../destinations/destination.ts';
import { tryAgain } from '../destinations/try-again.ts';
import type { LogStore } from '../log/log-store.ts';
import { type Difference, difference } from './difference.ts';

/**
 * Lists the bucket, and reports objects that no delivery has recorded and no entry of the log names. What lies in the folder of another
 * cell is left to that cell: the first of several cells may have its objects next to the folders of the others. Null when the
 * whole bucket was listed.
 */
export async function findUnknown(
  { db, destinationName, prefix, store }: { db: Database; destinationName: string; prefix: string; store: LogStore },
  range: OccurredRange,
  report: (difference: Difference) => void,
  signal: AbortSignal,
): Promise<DestinationError | null> {
  const orphans = await listOrphanKeys(db, destinationName);
  let after = '';
  for (;;) {
    const from = after;
    const page = await tryAgain(() => store.list('', from, signal), signal);
    if (page.kind === 'error') return page;
    // Names that start with an underscore are the log's, and probes.
    const paths = page.paths.filter((path) => !/(^|\/)_/.test(path) && !isInCellFolder(path) && isInRange(path, range));
    const batchIds = paths.map((path) => readBatchId(/_(\d{12,19})_[0-9a-f]{12}\./.exec(path)?.[1]) ?? '0');
    const known = await listRecordedKeys(db, destinationName, batchIds);
    for (const path of paths) {
      if (!known.has(`${prefix}${path}`) && !orphans.has(path))
        report(difference('object-unknown', `${prefix}${path}`, 'No delivery of this database has recorded it.'));
    }
    if (page.isLast) return null;
    after = page.paths.at(-1) ?? after;
  }
}

/** By the day in the folder's name. */
function isInRange(path: string, { from, to }: OccurredRange): boolean {
  const day = /(?:^|\/)dt=(\d{4}-\d\d-\d\d)\//.exec(path)?.[1];
  return day === undefined || ((from === null || day >= from.slice(0, 10)) && (to === null || day <= to.slice(0, 10)));
}
