import type { Database } from '@auditbox/db/database/connect.ts';
import { listLastVerifies } from '@auditbox/db/observe/last-verify.ts';
import { findLogBacklogs } from '@auditbox/db/observe/log-backlog.ts';
import type { Question } from '@auditbox/process/metrics/database-gauges.ts';
import { Gauge } from 'prom-client';

/** How far the log of batches is, and what the last verify found. Without them the gauges have no value. */
export function measureLog(db: Database): Question {
  const gauge = (name: string, help: string) => new Gauge({ name, help, labelNames: ['destination'], registers: [] });
  const scope = 'Of the whole database, the same from every exporter.';
  const size = gauge('auditbox_log_batches', `Batches in the log. ${scope}`);
  const published = gauge('auditbox_log_published_batches', `Batches in the newest signed checkpoint. ${scope}`);
  const unlogged = gauge(
    'auditbox_log_oldest_unlogged_age_seconds',
    `How long the oldest exported batch has waited for its place in the log; 0 without such a batch. ${scope}`,
  );
  const verifyAge = gauge(
    'auditbox_verify_age_seconds',
    `How long ago \`--verify\` compared the whole database with the destination; absent before the first time. ${scope}`,
  );
  const verifyDifferences = gauge(
    'auditbox_verify_differences',
    `Differences that the last whole \`--verify\` found and could not repair. ${scope}`,
  );
  return {
    gauges: [size, published, unlogged, verifyAge, verifyDifferences],
    async ask() {
      for (const { destination, ...log } of await findLogBacklogs(db)) {
        size.set({ destination }, log.size);
        published.set({ destination }, log.publishedSize);
        unlogged.set({ destination }, log.oldestUnloggedAgeS);
      }
      for (const { destination, ageS, differences } of await listLastVerifies(db)) {
        verifyAge.set({ destination }, ageS);
        verifyDifferences.set({ destination }, differences);
      }
    },
  };
}
