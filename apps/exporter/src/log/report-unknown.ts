import type { ExporterLog } from '../log.ts';

/** A log line names this many. */
const mostNamed = 10;

/** Reports files below `_log/` that are not the log's, once as long as they stay the same. */
export function createUnknownReport(log: ExporterLog) {
  let reported = '';
  return (unknown: ReadonlyMap<string, string>): void => {
    const files = [...unknown].slice(0, mostNamed).map(([path, reason]) => ({ path, reason }));
    const found = JSON.stringify([unknown.size, files]);
    if (found === reported || unknown.size === 0) return;
    reported = found;
    log.logFilesUnknown({ count: unknown.size, files });
  };
}
