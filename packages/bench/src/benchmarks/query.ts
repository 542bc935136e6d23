import { type BenchmarkResult, createLedger } from '../figures.ts';
import { names } from '../names.ts';
import { startApi } from '../rig/auditbox.ts';
import { measurePages, type Request, requestsTo } from '../rig/pages.ts';
import { fillRecord } from '../rig/record.ts';
import type { BenchDatabase, Rig } from '../rig/rig.ts';

/** Response time of a page by each filter, with and without a total, for growing tables; and the rate of an export. */

export async function query(
  rig: Rig,
  { rows, reads }: { rows: readonly number[]; reads: number },
): Promise<BenchmarkResult> {
  const ledger = createLedger();
  for (const count of rows) {
    const condition = names.record(count);
    for (const [measure, value] of Object.entries(await measureOne(rig, count, reads))) {
      ledger.add(names.auditbox, condition, measure, value);
      rig.say(`query, ${condition}: ${measure} ${value.toPrecision(3)}`);
    }
  }
  return { name: 'query', title: 'Reads', figures: ledger.figures(), plotted: names.slowestPage };
}

async function measureOne(rig: Rig, rows: number, reads: number): Promise<Record<string, number>> {
  const db = await rig.database();
  await fillRecord(db, rows, rig.say);
  const figures = await withApi(rig, db, names.size.apiPeak, (request) =>
    measurePages(db, request, { reads, modes: ['by cursor', 'with total'] }),
  );
  Object.assign(figures, await withApi(rig, db, names.exportPeak, (request) => measureExport(request, rows)));
  await db.drop();
  return figures;
}

/** The figures of an api that does nothing else, and its peak memory. */
async function withApi(
  rig: Rig,
  db: BenchDatabase,
  peakName: string,
  measure: (request: Request) => Promise<Record<string, number>>,
): Promise<Record<string, number>> {
  const api = await startApi(rig, db.url);
  const figures = await measure(requestsTo(api));
  const peak = await api.peakMemory();
  await api.stop();
  return peak === null ? figures : { ...figures, [peakName]: peak / 1e6 };
}

/** Exports all events as NDJSON and counts the lines. */
async function measureExport(request: Request, rows: number): Promise<Record<string, number>> {
  const startedAt = performance.now();
  const { body } = await request('/audit/export?format=ndjson');
  let lines = 0;
  for await (const part of body as unknown as AsyncIterable<Uint8Array>) {
    for (let at = part.indexOf(10); at !== -1; at = part.indexOf(10, at + 1)) lines += 1;
  }
  if (lines !== rows) throw new Error(`The export has ${lines} lines; there are ${rows} events.`);
  return { [names.exportRate]: rows / ((performance.now() - startedAt) / 1000) };
}
