import { type BenchmarkResult, createLedger } from '../figures.ts';
import { runLoad } from '../load/run-load.ts';
import { names } from '../names.ts';
import { benchKey, startApi, startExporter } from '../rig/auditbox.ts';
import { waitUntilExported } from '../rig/null-store.ts';
import type { Rig } from '../rig/rig.ts';

/** Time from the recording of an event to its object, at a steady rate. */

const eventsPerRequest = 10;

export async function lag(rig: Rig, { seconds }: { seconds: number }): Promise<BenchmarkResult> {
  const ledger = createLedger();
  for (const rate of [1_000, 5_000]) {
    const condition = names.lag(rate);
    const lagMs = await measure(rig, rate, seconds);
    ledger.add(names.auditbox, condition, 'p50 ms', lagMs.p50);
    ledger.add(names.auditbox, condition, 'p99 ms', lagMs.p99);
    ledger.add(names.auditbox, condition, 'max ms', lagMs.max);
    rig.say(`lag, ${condition}: p99 ${Math.round(lagMs.p99)} ms`);
  }
  return { name: 'lag', title: 'Time from recording to object', figures: ledger.figures(), plotted: 'p99 ms' };
}

async function measure(rig: Rig, rate: number, seconds: number) {
  const db = await rig.database();
  await rig.store.start({ delayMs: 30 });
  const api = await startApi(rig, db.url);
  const exporter = await startExporter(rig, db.url, { EXPORT_LINGER_MS: '1000' });
  const { acknowledged, refused, eventsPerSecond } = await runLoad({
    port: api.port,
    key: benchKey,
    path: '/audit/batch',
    eventsPerRequest,
    connections: 32,
    requestsPerSecond: rate / eventsPerRequest,
    warmUpMs: 2_000,
    durationMs: seconds * 1_000,
  });
  await waitUntilExported(rig.store, acknowledged);
  await Promise.all([api.stop(), exporter.stop()]);
  const { lines, ids, lagMs } = await rig.store.tally();
  await db.drop();
  if (lines !== acknowledged || ids !== acknowledged || lagMs === null)
    throw new Error(`${lines} lines of ${ids} ids were exported; ${acknowledged} events were acknowledged.`);
  if (eventsPerSecond < rate * 0.98 || Object.keys(refused).length > 0)
    throw new Error(`Only ${Math.round(eventsPerSecond)} of ${rate} events/s were stored.`);
  return lagMs;
}
