import { type BenchmarkResult, createLedger } from '../figures.ts';
import { names } from '../names.ts';
import { startExporter } from '../rig/auditbox.ts';
import { waitUntilExported } from '../rig/null-store.ts';
import { oldBacklog, prefill } from '../rig/prefill.ts';
import type { Rig } from '../rig/rig.ts';

/** Rate of several exporters on one machine; rate and memory of one exporter with growing backlogs. */

export interface ScalePlan {
  /** Drained by one, two and four exporters. */
  readonly rows: number;
  /** Drained by one exporter. 0 shows the memory of an idle exporter. */
  readonly backlogs: readonly number[];
}

/** For larger backlogs the store does not keep bodies; rows are counted by object metadata and by the deliveries. */
const keepUpTo = 1_000_000;

export async function scale(rig: Rig, { rows, backlogs }: ScalePlan): Promise<BenchmarkResult> {
  const ledger = createLedger();
  for (const exporters of [1, 2, 4]) {
    const condition = names.exporters(exporters, rows);
    const { eventsPerSecond } = await measure(rig, exporters, rows);
    ledger.add(names.auditbox, condition, 'events/s', eventsPerSecond);
    rig.say(`scale, ${condition}: ${Math.round(eventsPerSecond)} events/s`);
  }
  for (const backlog of backlogs) {
    const condition = names.backlog(backlog);
    const { eventsPerSecond, peakMemory } = await measure(rig, 1, backlog);
    if (backlog > 0) ledger.add(names.auditbox, condition, 'events/s', eventsPerSecond);
    if (peakMemory !== null) ledger.add(names.auditbox, condition, 'peak MB', peakMemory / 1e6);
    rig.say(`scale, ${condition}: ${Math.round(eventsPerSecond)} events/s, ${Math.round((peakMemory ?? 0) / 1e6)} MB`);
  }
  return { name: 'scale', title: 'Exporters and backlogs', figures: ledger.figures(), plotted: 'events/s' };
}

async function measure(rig: Rig, count: number, rows: number) {
  const { store } = rig;
  const db = await rig.database();
  await prefill(db, rows);
  const keep = rows <= keepUpTo;
  await store.start({ delayMs: 30, keep });
  const exporters = await Promise.all(Array.from({ length: count }, () => startExporter(rig, db.url, oldBacklog)));
  const startedAt = Math.min(...exporters.map(({ readyAt }) => readyAt));
  const { lastAt } = await waitUntilExported(store, rows);
  const peaks = await Promise.all(exporters.map(({ peakMemory }) => peakMemory()));
  await Promise.all(exporters.map(({ stop }) => stop()));
  const [row] = await db.sql<[{ rows: number }]>`
    select coalesce(sum(b.row_count), 0)::int as rows
    from auditbox.delivery d join auditbox.batch b on b.id = d.batch_id where d.state = 'done'`;
  const { lines } = keep ? await store.tally() : { lines: rows };
  if (row.rows !== rows || lines !== rows)
    throw new Error(`${lines} lines arrived and ${row.rows} rows are done; there are ${rows} events.`);
  await db.drop();
  const known = peaks.filter((peak) => peak !== null);
  return {
    eventsPerSecond: rows / ((lastAt - startedAt) / 1000),
    peakMemory: known.length === 0 ? null : Math.max(...known),
  };
}
