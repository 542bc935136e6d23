import { databaseTime } from '@auditbox/db/database/database-time.ts';
import { createDatabaseGauges, type Question } from '@auditbox/process/metrics/database-gauges.ts';
import { addDatabaseUse } from '@auditbox/process/metrics/database-use.ts';
import { addProcessMetrics } from '@auditbox/process/metrics/process-metrics.ts';
import { createScrape, type Scrape } from '@auditbox/process/metrics/scrape.ts';
import { Gauge, type Registry } from 'prom-client';
import type { ApiParts } from '../parts.ts';
import type { CoalescerLimits } from '../write/coalescer.ts';

/** Everything that an api reports to Prometheus. */
export function createApiScrape(
  registry: Registry,
  {
    db,
    coalescer,
    readers,
    limits,
  }: Pick<ApiParts, 'db' | 'coalescer' | 'readers'> & { readonly limits: CoalescerLimits },
): Scrape {
  addProcessMetrics(registry);
  addDatabaseUse(registry, db);
  // Read at each scrape, so that nothing has to be kept up to date in between.
  new Gauge({
    name: 'auditbox_coalescer_waiting_events',
    help: `Single events that wait for a statement. At ${limits.maxWaiting} further events are rejected.`,
    registers: [registry],
    collect() {
      this.set(coalescer.waitingEvents);
    },
  });
  new Gauge({
    name: 'auditbox_coalescer_waiting_bytes',
    help: `Approximate memory of the events that wait for a statement. At ${limits.maxWaitingBytes} further events are rejected.`,
    registers: [registry],
    collect() {
      this.set(coalescer.waitingBytes);
    },
  });
  const gauges = createDatabaseGauges(registry, {
    questions: [{ gauges: [], ask: async () => void (await databaseTime(db)) }, measureReplicaLag(readers)],
    // Requests that meet the same error log it.
    onFault: () => {},
  });
  return createScrape(registry, gauges.refresh);
}

function measureReplicaLag(readers: ApiParts['readers']): Question {
  const lag = new Gauge({
    name: 'auditbox_replica_lag_seconds',
    help: 'How far the replica of DATABASE_READ_URL is behind the primary; 0 without one. A replica that receives nothing reports 0 too.',
    registers: [],
  });
  return { gauges: [lag], ask: async () => lag.set((await readers.lagMs()) / 1000) };
}
