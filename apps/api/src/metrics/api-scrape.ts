import type { Database } from '@auditbox/db/database/connect.ts';
import { databaseTime } from '@auditbox/db/database/database-time.ts';
import { createDatabaseGauges } from '@auditbox/process/metrics/database-gauges.ts';
import { addDatabaseUse } from '@auditbox/process/metrics/database-use.ts';
import { addProcessMetrics } from '@auditbox/process/metrics/process-metrics.ts';
import { createScrape, type Scrape } from '@auditbox/process/metrics/scrape.ts';
import { Gauge, type Registry } from 'prom-client';
import type { Coalescer, CoalescerLimits } from '../write/coalescer.ts';

/** All that an api tells Prometheus. */
export function createApiScrape(
  registry: Registry,
  { db, coalescer, limits }: { readonly db: Database; readonly coalescer: Coalescer; readonly limits: CoalescerLimits },
): Scrape {
  addProcessMetrics(registry);
  addDatabaseUse(registry, db);
  addCoalescerGauges(registry, coalescer, limits);
  const gauges = createDatabaseGauges(registry, {
    questions: [{ gauges: [], ask: async () => void (await databaseTime(db)) }],
    // Requests that meet the same fault log it.
    onFault: () => {},
  });
  return createScrape(registry, gauges.refresh);
}

/** Read when asked for, so nothing is kept up to date in between. */
function addCoalescerGauges(registry: Registry, coalescer: Coalescer, limits: CoalescerLimits): void {
  new Gauge({
    name: 'auditbox_coalescer_waiting_events',
    help: `Single events that wait for a statement. At ${limits.maxWaiting} further ones are refused.`,
    registers: [registry],
    collect() {
      this.set(coalescer.waitingEvents);
    },
  });
  new Gauge({
    name: 'auditbox_coalescer_waiting_bytes',
    help: `About what the events that wait for a statement take in memory. At ${limits.maxWaitingBytes} further ones are refused.`,
    registers: [registry],
    collect() {
      this.set(coalescer.waitingBytes);
    },
  });
}
