import { createReminder } from '@auditbox/process/reminder.ts';
import type { ExporterLog } from '../log.ts';

/** A log line names this many. */
const mostNamed = 10;

/** Reports files below `_log/` that are not the log's. They are reported again when they change, and every hour. */
export function createUnknownReport(log: Pick<ExporterLog, 'logFilesUnknown'>) {
  const reminder = createReminder();
  return (unknown: ReadonlyMap<string, string>): void => {
    const files = [...unknown].slice(0, mostNamed).map(([path, reason]) => ({ path, reason }));
    if (unknown.size === 0 || !reminder.isDue(JSON.stringify([unknown.size, files]))) return;
    log.logFilesUnknown({ count: unknown.size, files });
  };
}
