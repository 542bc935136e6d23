import { connectDatabase } from '@auditbox/db/database/connect.ts';
import { createDatabaseGauges } from '@auditbox/process/metrics/database-gauges.ts';
import { addDatabaseUse } from '@auditbox/process/metrics/database-use.ts';
import { addProcessMetrics } from '@auditbox/process/metrics/process-metrics.ts';
import { createScrape, type Scrape } from '@auditbox/process/metrics/scrape.ts';
import type { Exporter } from '../compose.ts';
import { backlogQuestion } from './backlog-question.ts';
import { clockQuestion, horizonQuestion, quarantineQuestion } from './database-questions.ts';
import { addDestinationGauges } from './destination-gauges.ts';

/** Scrapes wait for no export's statement, and no export waits for theirs. */
const statementTimeoutMs = 2_000;

/** All that a running exporter tells Prometheus. `lowWater` as in backlogQuestion. Its own connection opens at the first scrape. */
export function createExporterScrape(
  { config, db, gate, logger, registry }: Exporter,
  lowWater: () => string,
): Scrape & { close(): Promise<void> } {
  const ownDb = connectDatabase({
    url: config.DATABASE_URL,
    application: 'auditbox exporter metrics',
    maxConnections: 1,
    statementTimeoutMs,
    avoidSeqScans: true,
  });
  addProcessMetrics(registry);
  addDatabaseUse(registry, db);
  addDestinationGauges(registry, gate);
  const gauges = createDatabaseGauges(registry, {
    questions: [
      clockQuestion(ownDb),
      backlogQuestion(ownDb, lowWater),
      quarantineQuestion(ownDb),
      horizonQuestion(ownDb),
    ],
    // The loops say so too, at a level that people read.
    onFault: (err) => logger.debug({ err }, 'A question of the metrics was not answered.'),
  });
  return { ...createScrape(registry, gauges.refresh), close: () => ownDb.close(1_000) };
}
