import { within } from '@auditbox/core/within.ts';
import { databaseTime } from '@auditbox/db/database/database-time.ts';
import { createDatabaseGauges, type Question } from '@auditbox/process/metrics/database-gauges.ts';
import { addDatabaseUse } from '@auditbox/process/metrics/database-use.ts';
import { addProcessMetrics } from '@auditbox/process/metrics/process-metrics.ts';
import { createScrape, type Scrape } from '@auditbox/process/metrics/scrape.ts';
import { Gauge, type Registry } from 'prom-client';
import type { Cell } from '../cells/cell.ts';
import type { ApiParts } from '../parts.ts';
import type { CoalescerLimits } from '../write/coalescer.ts';

/** Everything that an api reports to Prometheus. */
export function createApiScrape(
  registry: Registry,
  { cells, coalescer, limits }: Pick<ApiParts, 'cells' | 'coalescer'> & { readonly limits: CoalescerLimits },
): Scrape {
  addProcessMetrics(registry);
  addDatabaseUse(registry, sumUse(cells.map(({ batchesDb }) => batchesDb)));
  // Read at each scrape, so that nothing has to be kept up to date in between.
  new Gauge({
    name: 'auditbox_coalescer_waiting_events',
    help: `Single events that wait for a statement. At ${limits.maxWaiting}, or half of it of one key, further events are rejected.`,
    registers: [registry],
    collect() {
      this.set(coalescer.waitingEvents);
    },
  });
  new Gauge({
    name: 'auditbox_coalescer_waiting_bytes',
    help: `Approximate memory of the events that wait for a statement. At ${limits.maxWaitingBytes}, or half of it of one key, further events are rejected.`,
    registers: [registry],
    collect() {
      this.set(coalescer.waitingBytes);
    },
  });
  const gauges = createDatabaseGauges(registry, {
    questions: [askCells(cells, registry), measureReplicaLag(cells[0].readers)],
    // Requests that meet the same error log it.
    onFault: () => {},
  });
  return createScrape(registry, gauges.refresh);
}

function measureReplicaLag(readers: Cell['readers']): Question {
  const lag = new Gauge({
    name: 'auditbox_replica_lag_seconds',
    help: 'How far the replica of DATABASE_READ_URL is behind the primary; 0 without one. A replica that receives nothing reports 0 too.',
    registers: [],
  });
  return { gauges: [lag], ask: async () => lag.set((await readers.lagMs()) / 1000) };
}

/** The pools of all cells as one. */
function sumUse(pools: readonly { readonly statements: number; readonly maxConnections: number }[]) {
  const sum = (values: readonly number[]) => values.reduce((all, one) => all + one, 0);
  return {
    get statements() {
      return sum(pools.map(({ statements }) => statements));
    },
    maxConnections: sum(pools.map(({ maxConnections }) => maxConnections)),
  };
}

/** Longer waits would be those of the scrape. */
const cellDeadlineMs = 3_000;

/** The database counts as up while all cells are. With several, a gauge names those that are down. */
function askCells(cells: ApiParts['cells'], registry: Registry): Question {
  if (cells.length === 1) return { gauges: [], ask: async () => void (await databaseTime(cells[0].db)) };
  const up = new Gauge({
    name: 'auditbox_cell_up',
    help: 'With DATABASE_CELLS: 1 if the cell answered this process within 3 seconds at this scrape.',
    labelNames: ['cell'],
    registers: [registry],
  });
  const askOne = async ({ name, db }: Cell) => {
    const isUp = await within(
      cellDeadlineMs,
      databaseTime(db).then(
        () => true,
        () => false,
      ),
      () => false,
    );
    up.set({ cell: name }, isUp ? 1 : 0);
    return isUp;
  };
  return {
    gauges: [],
    async ask() {
      const areUp = await Promise.all(cells.map(askOne));
      if (areUp.includes(false)) throw new Error('A cell does not answer.');
    },
  };
}
